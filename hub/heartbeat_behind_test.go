package hub_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// haltedLog is a log in which some reads do not return before they are released.
type haltedLog struct {
	*eventlog.Memory
	halts    func(eventlog.Query) bool
	halted   atomic.Bool
	released chan struct{}
}

func (l *haltedLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if l.halted.Load() && l.halts(q) {
		select {
		case <-l.released:
		case <-ctx.Done():
			return eventlog.Answer{}, ctx.Err()
		}
	}
	return l.Memory.Read(ctx, q)
}

// TestSubscriberThatIsBehindGetsHeartbeats: a stream was silent while the hub read the log for it, or waited for its own position.
func TestSubscriberThatIsBehindGetsHeartbeats(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 50_000)
	for name, test := range map[string]struct {
		halts  func(eventlog.Query) bool
		window int64
	}{
		"catching up": {func(q eventlog.Query) bool { return q.Bytes > 0 && len(q.Selector.Names()) > 0 && q.After.Seq >= 2 }, 1},
		"ahead":       {func(q eventlog.Query) bool { return len(q.Selector.Names()) == 0 }, 1 << 20},
	} {
		for _, how := range transports {
			for _, query := range []string{"", "?heartbeat=20ms"} {
				t.Run(name+" "+how.name+query, func(t *testing.T) {
					t.Parallel()
					log := &haltedLog{Memory: mustMemory(t, nil), halts: test.halts, released: make(chan struct{})}
					start := log.Head()
					s := serve(t, log, &hub.Options{Heartbeat: 20 * time.Millisecond, HeartbeatMin: time.Millisecond, Window: test.window}, how)
					s.post("news", large)
					log.halted.Store(true)
					mustAppend(t, log.Memory, eventlog.Record{Topics: []string{"news"}, Data: large}, eventlog.Record{Topics: []string{"news"}, Data: large})
					resp := s.openUnread("/events/news"+query, lastID(start))
					sign := ":\n" // no field ends with it
					if query != "" {
						sign = "event: tidings.checkpoint\n"
					}
					text, buf := "", make([]byte, 64<<10)
					readUntil := func(what string, n int) {
						for strings.Count(text, what) < n {
							n, err := resp.Body.Read(buf)
							if err != nil {
								t.Fatalf("after %d bytes: %v", len(text), err)
							}
							text += string(buf[:n])
						}
					}
					readUntil(sign, 5)
					close(log.released)
					readUntil(large, 3)
					last := uint64(0)
					for d := sse.NewDecoder(strings.NewReader(text), nil); d.Next(); {
						at, err := eventlog.ParsePosition(d.Event().ID)
						if err != nil || at.Seq < last {
							t.Errorf("after position %d comes %v, %v", last, at, err)
						}
						last = at.Seq
					}
				})
			}
		}
	}
}
