package hub

import "testing"

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
