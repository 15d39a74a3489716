package fanout

import "testing"

// TestQueuesStaySmallUnderLastingLoad: the queue of runners reclaimed slots only when it ran empty, so that it grew for as long as runners
// were always waiting.
func TestQueuesStaySmallUnderLastingLoad(t *testing.T) {
	const waiting, turns = 10, 100_000
	p := runnerPool{spare: true} // so that the test alone takes
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
		t.Errorf("with %d waiting a queue had room for %d", waiting, most)
	}
}
