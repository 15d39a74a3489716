package fanout

import (
	"context"
	"testing"
)

// TestRevokedSubscriberGetsNothingDuringADrain: a revoked subscriber that is behind gets no more events when the hub drains.
func TestRevokedSubscriberGetsNothingDuringADrain(t *testing.T) {
	for name, told := range map[string][]Reason{"before": {Revoked, Drained}, "after": {Drained, Revoked}} {
		r := new(runner)
		r.turn.Store(1) // its turn never ends
		for _, why := range told {
			r.leave(why)
		}
		if got := Reason(r.leaving.Load()); got != Revoked {
			t.Errorf("revoked %s the hub drains: the reason for the end is %v", name, got)
		}
	}
}

// TestStreamServedAfterShutdownEndsOnce: also if its client disconnects at the same time.
func TestStreamServedAfterShutdownEndsOnce(t *testing.T) {
	t.Parallel()
	f, _ := start(t)
	closed := make(chan End, 2)
	s := subscription()
	s.Client = anyone{closed}
	st := stream(t, f, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Shutdown(ctx); err == nil {
		t.Fatal("Shutdown did not wait for an open stream")
	}
	abort := st.Serve(discard{})
	abort()
	f.open.Wait()
	if end := <-closed; end.Reason != Drained || len(closed) > 0 {
		t.Errorf("the stream ends with the reason %v, and %d times more", end.Reason, len(closed))
	}
	for _, s := range f.shards {
		if s.pool.waiting.Len() > 0 {
			t.Error("the stream ends a second time")
		}
	}
}
