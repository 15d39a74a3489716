package hub

import (
	"context"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// TestDrainingForgetsNoRevocation: who was revoked, was behind, and was then told that the hub stops got everything first.
func TestDrainingForgetsNoRevocation(t *testing.T) {
	for name, told := range map[string][]reason{"before": {revoked, drained}, "after": {drained, revoked}} {
		r := new(runner)
		r.turn.Store(1) // it has a turn, that never ends
		for _, why := range told {
			r.leave(why)
		}
		if got := reason(r.leaving.Load()); got != revoked {
			t.Errorf("revoked %s the hub drains: it leaves because it is %v", name, got)
		}
	}
}

// nothing is a socket that takes everything.
type nothing struct{}

func (nothing) write([]byte) error { return nil }
func (nothing) abort()             {}
func (nothing) close()             {}

// TestAStreamThatComesAfterTheEndEndsOnce, also when its client goes at the same time.
func TestAStreamThatComesAfterTheEndEndsOnce(t *testing.T) {
	t.Parallel()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	grant := access.Everything()
	if err := h.enter(address{}, &grant); err != nil {
		t.Fatal(err)
	}
	s := h.shard()
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { ended <- h.Shutdown(ctx) }()
	if err := <-ended; err == nil {
		t.Fatal("the hub has ended before the stream that had entered")
	}
	sub := &subscriber{shard: s, grant: &grant}
	h.run(sub, nothing{}, nil)
	sub.runner.abort()
	h.open.Wait()
	if s.crew.waiting.Len() > 0 {
		t.Error("the stream ends once more")
	}
}
