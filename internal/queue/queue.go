// Package queue implements a first-in-first-out queue.
//
// Its memory is proportional to the number of items in it, not to the number that passed through it, also if it never runs empty
// and after a burst.
package queue

// Queue is a slice that grows at the end and is consumed at the front. Push and Pop take amortized constant time. The zero value
// is an empty queue. It is not safe for concurrent use.
//
//	items:  0 0 0 | a b c        items before head are zeroed, so that they can be collected
//	        head ─┘
//
// After Pop, at most half of items is free, and the capacity is at most four times the length, except for small ones.
type Queue[T any] struct {
	items []T
	head  int // items before it are free
}

// small is the capacity below which memory is not given back.
const small = 8

// Len returns the number of items.
func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// All returns the items, oldest first. The result is valid until the queue changes; its elements may be modified.
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
