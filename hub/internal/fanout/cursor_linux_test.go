package fanout

import (
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// TestCheckpointFollowsAGapThatWasSentInParts: a gap has no ID, so cursor.back must not take its position for the last ID.
func TestCheckpointFollowsAGapThatWasSentInParts(t *testing.T) {
	f, log := start(t)
	for range 3 {
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
	}
	for f.window.head() != log.Head() {
		runtime.Gosched()
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	for { // until the socket is full
		if n, _ := socket.Send(int32(pair[0]), make([]byte, 1<<10)); n == 0 {
			break
		}
	}
	d := directOf(t, f, subscription(), int32(pair[0]))
	d.cursor.sent, d.cursor.query.After = 1, eventlog.Position{Gen: "older", Seq: 1}
	defer d.shard.f.leave(&d.subscriber, Gone)
	var buf []byte
	if now := d.catchUp(t.Context(), &buf); now != blocked {
		t.Fatal(now)
	}
	var got strings.Builder
	drain := func() {
		b := make([]byte, 1<<20)
		for {
			n, err := unix.Read(pair[1], b)
			if err != nil || n <= 0 {
				return
			}
			got.Write(b[:n])
		}
	}
	drain()
	if now := d.catchUp(t.Context(), &buf); now != caughtUp {
		t.Fatal(now)
	}
	drain()
	text := strings.TrimLeft(got.String(), "\x00")
	if !strings.Contains(text, "gap") || !strings.Contains(text, "checkpoint") {
		t.Errorf("after the gap there is no checkpoint:\n%s", text)
	}
}
