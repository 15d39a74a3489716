package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The test compares random sequences of calls with a plain slice.
func TestQueueBehavesLikeASlice(t *testing.T) {
	for range 200 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		var q Queue[*int]
		var model []*int
		grow := r.IntN(100)
		for step := range 2000 {
			switch op := r.IntN(1000); {
			case op < 2:
				n := r.IntN(len(model) + 1)
				q.Truncate(n)
				model = model[:n]
			case op < 4:
				odd := func(p *int) bool { return *p%2 == 1 }
				q.Retain(odd)
				model = slices.DeleteFunc(slices.Clone(model), func(p *int) bool { return !odd(p) })
			case r.IntN(100) < grow:
				q.Push(&step)
				model = append(model, &step)
			case len(model) > 0:
				if got := q.Pop(); got != model[0] {
					t.Fatalf("seed %d, step %d: Pop returned %d, want %d", seed, step, *got, *model[0])
				}
				model = model[1:]
			}
			if q.Len() != len(model) || !slices.Equal(q.All(), model) {
				t.Fatalf("seed %d, step %d: the queue has %d items, want %d", seed, step, q.Len(), len(model))
			}
			for i, p := range q.items[:cap(q.items)] {
				if free := i < q.head || i >= len(q.items); free && p != nil {
					t.Fatalf("seed %d, step %d: a removed item is still kept alive", seed, step)
				}
			}
		}
	}
}

// The queue once reclaimed memory only when it was empty, so that it grew under a constant load.
func TestQueueThatNeverRunsEmptyStaysSmall(t *testing.T) {
	var q Queue[int]
	const waiting = 10
	for i := range waiting {
		q.Push(i)
	}
	most := 0
	for i := range 1_000_000 {
		q.Push(i)
		q.Pop()
		most = max(most, cap(q.items))
	}
	if most > 8*waiting {
		t.Errorf("with %d items waiting the queue had room for %d", waiting, most)
	}
}

// It must shrink even while items keep coming.
func TestQueueShrinksAfterABurst(t *testing.T) {
	var q Queue[int]
	const burst, waiting = 100_000, 10
	for i := range burst {
		q.Push(i)
	}
	for q.Len() > waiting {
		q.Push(0)
		q.Pop()
		q.Pop()
	}
	if got := cap(q.items); got > 8*waiting {
		t.Errorf("after a burst of %d, with %d items waiting, the queue has room for %d", burst, waiting, got)
	}
}
