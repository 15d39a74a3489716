package hub

import "testing"

// TestQueuesStaySmallUnderLastingLoad: the crew's queue reclaimed slots only when it ran empty, and so it grew for as long as there was
// always a runner waiting.
func TestQueuesStaySmallUnderLastingLoad(t *testing.T) {
	const waiting, turns = 10, 100_000
	c := crew{spare: true} // so that the test alone takes
	r := newReplayers(nil)
	for range waiting {
		c.add(new(runner))
		r.add(new(subscriber))
	}
	most := 0
	for range turns {
		c.add(new(runner))
		r.add(new(subscriber))
		if c.take(false) == nil || r.take() == nil {
			t.Fatal("a queue ran empty")
		}
		most = max(most, cap(c.waiting.All()), cap(r.waiting.All()))
	}
	if most > 8*waiting {
		t.Errorf("with %d waiting a queue had room for %d", waiting, most)
	}
}
