package fanout

import "testing"

// TestQueuesStaySmallUnderLastingLoad: a queue that is never empty still reclaims its used slots.
func TestQueuesStaySmallUnderLastingLoad(t *testing.T) {
	const waiting, turns = 10, 100_000
	p := runnerPool{spare: true} // so that only the test takes runners
	r := newReplayers()
	for range waiting {
		p.add(new(runner))
		r.add(new(direct))
	}
	most := 0
	for range turns {
		p.add(new(runner))
		r.add(new(direct))
		if p.take(false) == nil || r.take() == nil {
			t.Fatal("a queue ran empty")
		}
		most = max(most, cap(p.waiting.All()), cap(r.waiting.All()))
	}
	if most > 8*waiting {
		t.Errorf("with %d waiting runners a queue had a capacity of %d", waiting, most)
	}
}
