package fanout

import (
	"context"
	"testing"
)

// TestDrainingForgetsNoRevocation: a subscriber that was revoked, was behind, and was then told that the hub drains, got everything first.
func TestDrainingForgetsNoRevocation(t *testing.T) {
	for name, told := range map[string][]Reason{"before": {Revoked, Drained}, "after": {Drained, Revoked}} {
		r := new(runner)
		r.turn.Store(1) // it has a turn that never ends
		for _, why := range told {
			r.leave(why)
		}
		if got := Reason(r.leaving.Load()); got != Revoked {
			t.Errorf("revoked %s the hub drains: it leaves because it is %v", name, got)
		}
	}
}

// TestAStreamThatComesAfterTheEndEndsOnce, also when its client disconnects at the same time.
func TestAStreamThatComesAfterTheEndEndsOnce(t *testing.T) {
	t.Parallel()
	f, _ := start(t)
	closed := make(chan End, 2)
	s := subscription()
	s.Client = anyone{closed}
	st := stream(t, f, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Shutdown(ctx); err == nil {
		t.Fatal("the end did not wait for a stream that was open")
	}
	abort := st.Serve(nothing{})
	abort()
	f.open.Wait()
	if end := <-closed; end.Reason != Drained || len(closed) > 0 {
		t.Errorf("it ends because it is %v, and %d times more", end.Reason, len(closed))
	}
	for _, s := range f.shards {
		if s.pool.waiting.Len() > 0 {
			t.Error("the stream ends once more")
		}
	}
}
