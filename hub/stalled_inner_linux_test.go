package hub

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/eventlog"
)

func innerHub(t *testing.T, o *Options) (*Hub, *eventlog.Memory) {
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(log, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		_ = log.Close()
	})
	return h, log
}

// TestABlockedGapKeepsItsCheckpoint: cursor.back takes the position of a gap, which has no ID, for the last ID.
func TestABlockedGapKeepsItsCheckpoint(t *testing.T) {
	h, log := innerHub(t, nil)
	for range 3 {
		if _, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"news"}, Data: "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	for h.window.head() != log.Head() {
		runtime.Gosched()
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	for { // its socket is full
		if n, _ := send(int32(pair[0]), make([]byte, 1<<10)); n == 0 {
			break
		}
	}
	g := newGroup(wanted{[]string{"news"}, nil}, plain)
	c := &cursor{hub: h, group: g, sent: 1}
	c.query = eventlog.Query{Selector: g.selector, After: eventlog.Position{Gen: "older", Seq: 1}}
	sub := &subscriber{shard: h.shards[0], group: g, fd: int32(pair[0]), slot: -1, cursor: c}
	var buf []byte
	if now := sub.catchUp(t.Context(), &buf); now != blocked {
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
	if now := sub.catchUp(t.Context(), &buf); now != caughtUp {
		t.Fatal(now)
	}
	drain()
	text := strings.TrimLeft(got.String(), "\x00")
	if !strings.Contains(text, "tidings.gap") || !strings.Contains(text, "tidings.checkpoint") {
		t.Errorf("after the gap there is no checkpoint:\n%s", text)
	}
}
