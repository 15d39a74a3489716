package fanout

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// heldLog is a log in memory that keeps few events and whose reads can be held.
type heldLog struct {
	eventlog.Log
	hold atomic.Pointer[chan struct{}] // the next read waits until it is closed
}

func newHeldLog(t *testing.T) *heldLog {
	t.Helper()
	return &heldLog{Log: fewEvents(t)}
}

func fewEvents(t *testing.T) *eventlog.Memory {
	t.Helper()
	keep := eventlog.Rule{Pattern: eventlog.MustPattern("**"), Count: 3}
	log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{keep}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func (h *heldLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if held := h.hold.Swap(nil); held != nil {
		select {
		case <-*held:
		case <-ctx.Done():
			return eventlog.Answer{}, ctx.Err()
		}
	}
	return h.Log.Read(ctx, q)
}

func (h *heldLog) End(ctx context.Context, topic string) (eventlog.Position, error) {
	if topic == "trimmed" { // it has ended, and the record of the end is gone
		return h.Head(), nil
	}
	return h.Log.End(ctx, topic)
}

// gapEncoding writes how far a gap reaches. With silent it writes no checkpoints.
type gapEncoding struct {
	textEncoding
	silent bool
}

func (e gapEncoding) Key() string { return fmt.Sprint("gap ", e.silent) }

func (e gapEncoding) Control(b []byte, c Control) []byte {
	switch {
	case c.Kind == ControlGap:
		return fmt.Appendf(b, "gap to %d\n", c.Gap.To.Seq)
	case c.Kind == ControlCheckpoint && e.silent:
		return b
	}
	return e.textEncoding.Control(b, c)
}

// whileReading lets a subscriber get a part of a heartbeat while a replayer reads the log for it. It returns the subscriber before the read ends.
// Meanwhile 21 events are published, of which the log keeps three.
func whileReading(t *testing.T, h *heldLog, f *Fanout, s *Subscription) (l *fakeLane, closed chan End, held chan struct{}) {
	t.Helper()
	l, closed, held = newFakeLane(new(fakeConnection), 1000), make(chan End, 1), make(chan struct{})
	s.Client = anyone{closed}
	stream(t, f, s).AttachLane(l)
	synctest.Wait()
	l.limit(3)
	topics := s.Selector.Names()
	publish(t, h, eventlog.Record{Topics: topics, Data: "first"})
	synctest.Wait()
	for i := range 20 {
		publish(t, h, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("more", i)})
	}
	synctest.Wait()
	h.hold.Store(&held)
	l.grant(len("irst\n") + len("hear"))
	time.Sleep(time.Minute)
	synctest.Wait()
	if got := l.text(); !strings.HasSuffix(got, "\n1 first\nhear") {
		t.Fatalf("before the read ends, the client has %q", got)
	}
	return l, closed, held
}

// limit sets how many bytes the lane takes.
func (l *fakeLane) limit(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = n
}

// oneWindow makes the window keep one event.
func oneWindow(o *Options) { o.Window, o.WriteTimeout = 1, time.Hour }

// TestGapIsReportedAfterAPartOfAHeartbeat: the subscriber gets a part of a heartbeat while the log is read for it. The log reports a gap only once.
func TestGapIsReportedAfterAPartOfAHeartbeat(t *testing.T) {
	const after = "heartbeat 0\ngap to 18\n19 more17\n20 more18\n21 more19\n"
	for name, test := range map[string]struct {
		subscription *Subscription
		meanwhile    func(t *testing.T, h *heldLog)
		want         string
		ends         Reason
	}{
		"events follow": {subscription: subscription(), want: after},
		"the gap ends the stream": {
			subscription: &Subscription{Selector: eventlog.Topics("news"), FailOnGap: true},
			want:         "heartbeat 0\ngap to 18\n", ends: Complete,
		},
		"the log is a new one": {
			subscription: subscription(),
			meanwhile: func(t *testing.T, h *heldLog) {
				h.Log = fewEvents(t)
				publish(t, h, eventlog.Record{Topics: []string{"other"}, Data: "x"})
			},
			want: "heartbeat 0\ngap to 1\ncheckpoint 1\n",
		},
		"all topics have ended": {
			subscription: &Subscription{Selector: eventlog.Topics("trimmed"), Encoding: gapEncoding{silent: true}},
			want:         "heartbeat 0\n", ends: Complete,
		},
	} {
		for _, step := range []int{1, 7, 1000} {
			t.Run(fmt.Sprint(name, ", ", step, " bytes at a time"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHeldLog(t)
					f := startOn(t, h, oneWindow)
					s := *test.subscription
					if _, ok := s.Encoding.(gapEncoding); !ok {
						s.Encoding = gapEncoding{}
					}
					l, closed, held := whileReading(t, h, f, &s)
					if test.meanwhile != nil {
						test.meanwhile(t, h)
					}
					close(held)
					synctest.Wait()
					for range 300/step + 1 {
						l.grant(step)
						synctest.Wait()
					}
					got := l.text()[strings.Index(l.text(), "heartbeat"):]
					if !strings.HasPrefix(got, test.want) {
						t.Errorf("the client gets %q, want %q", got, test.want)
					}
					if test.ends != open {
						if end := <-closed; end.Reason != test.ends || got != test.want {
							t.Errorf("the stream ends as %v after %q", end.Reason, got)
						}
						if _, complete := l.ended(); !complete {
							t.Error("the stream ends as if it was cut off")
						}
					}
				})
			})
		}
	}
}

// TestStreamThatIsCutAtTheEndOfADrainIsDrained, although the log is being read for it, or its client accepts nothing.
func TestStreamThatIsCutAtTheEndOfADrainIsDrained(t *testing.T) {
	stop := func(t *testing.T, f *Fanout, _ *heldLog) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Shutdown(ctx); err == nil {
			t.Error("no stream was cut")
		}
	}
	for name, end := range map[string]func(*testing.T, *Fanout, *heldLog){
		"stop": stop,
		"the log is closed": func(_ *testing.T, _ *Fanout, h *heldLog) {
			_ = h.Close()
		},
	} {
		t.Run("lane, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeldLog(t)
				f := startOn(t, h, oneWindow)
				_, closed, held := whileReading(t, h, f, subscription())
				time.AfterFunc(10*time.Second, func() { close(held) })
				end(t, f, h)
				if end := <-closed; end.Reason != Drained {
					t.Errorf("the stream ends as %v", end.Reason)
				}
			})
		})
		t.Run("runner, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeldLog(t)
				f := startOn(t, h, oneWindow)
				closed, out := make(chan End, 1), &notebook{room: make(chan struct{})}
				s := subscription()
				s.Client = anyone{closed}
				stream(t, f, s).Serve(out)
				for i := range 20 {
					publish(t, h, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("more", i)})
				}
				synctest.Wait()
				held := make(chan struct{})
				h.hold.Store(&held)
				close(out.room)
				synctest.Wait()
				if h.hold.Load() != nil {
					t.Fatal("the log is not read")
				}
				time.AfterFunc(10*time.Second, func() { close(held) })
				end(t, f, h)
				if end := <-closed; end.Reason != Drained {
					t.Errorf("the stream ends as %v", end.Reason)
				}
				if n := strings.Count(out.all(), "leaving"); n > 1 {
					t.Errorf("the client is told %d times that the stream ends", n)
				}
			})
		})
	}
}
