package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

type word string

func (w word) key() string { return string(w) }

// TestOrderedBehavesLikeASortedSlice compares random sequences of calls with a plain slice.
func TestOrderedBehavesLikeASortedSlice(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		var o ordered[word]
		var model []word
		names := 1 + r.IntN(3000)
		grow := r.IntN(100)
		for step := range 4000 {
			if step%1000 == 999 {
				grow = 100 - grow
			}
			w := word(fmt.Sprintf("%05d", r.IntN(names)))
			at, found := slices.BinarySearch(model, w)
			switch {
			case r.IntN(100) >= grow:
				o.remove(w.key())
				if found {
					model = slices.Delete(model, at, at+1)
				}
			case !found:
				o.add(w)
				model = slices.Insert(model, at, w)
			}
			probe := word(fmt.Sprintf("%05d", r.IntN(names)))
			at, found = slices.BinarySearch(model, probe)
			if found {
				at++
			}
			if got := o.get(probe.key()); (got == probe) != found {
				t.Fatalf("seed %d, step %d: get(%s) is %q", seed, step, probe, got)
			}
			i := at
			for e := range o.after(probe.key()) {
				if i >= len(model) || e != model[i] {
					t.Fatalf("seed %d, step %d: after %s comes %s at %d", seed, step, probe, e, i)
				}
				if i++; i > at+5 {
					break
				}
			}
			if o.len() != len(model) || i < min(at+5, len(model)) {
				t.Fatalf("seed %d, step %d: %d elements, want %d", seed, step, o.len(), len(model))
			}
		}
		slots := 0
		for _, b := range o.blocks {
			slots += cap(b)
		}
		if slots > 16*len(model)+2*largestBlock {
			t.Errorf("seed %d: room for %d elements, and there are %d", seed, slots, len(model))
		}
	}
}
