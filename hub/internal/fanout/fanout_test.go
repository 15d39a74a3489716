package fanout

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// textEncoding writes a line for each event and each control message.
type textEncoding struct{}

func (textEncoding) Key() string { return "text" }

func (textEncoding) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	return fmt.Appendf(b, "%d %s\n", at.Seq, r.Data)
}

func (textEncoding) Control(b []byte, c Control) []byte {
	name := [...]string{"opened", "checkpoint", "gap", "expiring", "leaving", "heartbeat", "notice " + c.Notice}[c.Kind]
	return fmt.Appendf(b, "%s %d\n", name, c.At.Seq)
}

// anyone is a client that may read everything.
type anyone struct{ closed chan End }

func (anyone) Expires() time.Time { return time.Time{} }
func (anyone) Revoked() bool      { return false }
func (anyone) Boards() []Board    { return nil }

func (a anyone) Closed(end End) {
	if a.closed != nil {
		a.closed <- end
	}
}

// discard is a socket that accepts all bytes.
type discard struct{}

func (discard) Write([]byte) error { return nil }
func (discard) Abort()             {}
func (discard) Close()             {}

// start returns a Fanout on a log in memory. The test may shut it down itself.
func start(t *testing.T, change ...func(*Options)) (*Fanout, *eventlog.Memory) {
	t.Helper()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, log, change...), log
}

// startOn is start on a log that the test has made.
func startOn(t *testing.T, log eventlog.Log, change ...func(*Options)) *Fanout {
	t.Helper()
	o := Options{
		Window: 64 << 20, Heartbeat: 25 * time.Second, ShortestHeartbeat: 5 * time.Second, WriteTimeout: 10 * time.Second,
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	f, err := New(t.Context(), log, o)
	if err != nil {
		t.Fatal(err)
	}
	f.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = f.Shutdown(ctx)
		_ = log.Close()
	})
	return f
}

func publish(t *testing.T, log eventlog.Log, records ...eventlog.Record) {
	t.Helper()
	if _, err := log.Append(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// subscription returns a subscription to the topic news.
func subscription() *Subscription {
	return &Subscription{Selector: eventlog.Topics("news"), Encoding: textEncoding{}, Client: anyone{}}
}

// stream opens a stream.
func stream(t *testing.T, f *Fanout, s *Subscription) *Stream {
	t.Helper()
	st, err := f.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// directOf returns a direct subscriber with a socket, before its shard adopts it.
func directOf(t *testing.T, f *Fanout, s *Subscription, fd int32) *direct {
	t.Helper()
	st := stream(t, f, s)
	st.used = true
	d := &direct{fd: fd, slot: -1, cursor: st.cursor}
	d.subscriber = st.subscriberOf(f.leastShard(), d)
	return d
}
