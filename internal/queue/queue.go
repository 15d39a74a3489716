// Package queue has the one first-in-first-out queue of this module.
//
// A queue that never runs empty must not grow either. Its memory is proportional to what waits in it now, not to what
// has passed through it, and shrinks again after a burst.
package queue

// Queue is a slice that grows at the end and is consumed at the front. Push and Pop take constant time, averaged over many
// calls. The zero value is an empty queue. It has no lock of its own.
//
//	items:  0 0 0 | a b c        the zeros are free: what Pop has returned is not kept alive
//	        head ─┘
//
// After Pop, at most half of items is free, and the slice has room for at most four times as many items as wait, or for
// small ones.
type Queue[T any] struct {
	items []T
	head  int // items before it are free
}

// small is a capacity below which there is no memory worth giving back.
const small = 8

// Len returns how many items wait.
func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// All returns the items that wait, oldest first. The result is valid until the queue changes; its elements may be changed in
// place.
func (q *Queue[T]) All() []T { return q.items[q.head:] }

// Push adds an item at the end.
func (q *Queue[T]) Push(item T) { q.items = append(q.items, item) }

// Pop removes the oldest item and returns it. It panics if the queue is empty.
func (q *Queue[T]) Pop() T {
	item := q.items[q.head]
	clear(q.items[q.head : q.head+1])
	if q.head++; 2*q.head >= len(q.items) { // moving the rest costs no more than the pops since the last move
		q.reset(q.All())
	}
	return item
}

// Truncate keeps the n oldest items.
func (q *Queue[T]) Truncate(n int) {
	clear(q.All()[n:])
	q.items = q.items[:q.head+n]
}

// Retain keeps the items for which keep returns true.
func (q *Queue[T]) Retain(keep func(T) bool) {
	kept := q.items[:0]
	for _, item := range q.All() {
		if keep(item) {
			kept = append(kept, item)
		}
	}
	clear(q.items[len(kept):])
	q.reset(kept)
}

// reset makes items, a part of q.items, the whole content of the queue.
func (q *Queue[T]) reset(items []T) {
	if n := len(items); cap(q.items) > small && cap(q.items) > 4*n {
		q.items, q.head = append(make([]T, 0, n+n/2), items...), 0
		return
	}
	n := copy(q.items, items)
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}
