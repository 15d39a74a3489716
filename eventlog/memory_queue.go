package eventlog

// queue is a slice that takes at the end and gives at the front, in constant time seen over many, and that keeps no hold
// of what it gave.
type queue[T any] struct {
	items []T
	head  int // of items, those before are free
}

// all returns what is in the queue, oldest first, until the queue is changed. Items may be changed in place.
func (q *queue[T]) all() []T { return q.items[q.head:] }

func (q *queue[T]) push(item T) { q.items = append(q.items, item) }

func (q *queue[T]) pop() T {
	item := q.items[q.head]
	clear(q.items[q.head : q.head+1])
	if q.head++; 2*q.head >= len(q.items) { // moving the rest costs no more than what was popped since the last time
		q.reset(q.all())
	}
	return item
}

// truncate keeps the n oldest.
func (q *queue[T]) truncate(n int) {
	clear(q.all()[n:])
	q.items = q.items[:q.head+n]
}

// retain keeps those for which keep is true.
func (q *queue[T]) retain(keep func(T) bool) {
	kept := q.items[:0]
	for _, item := range q.all() {
		if keep(item) {
			kept = append(kept, item)
		}
	}
	clear(q.items[len(kept):])
	q.reset(kept)
}

// reset makes items, a part of the queue's, all that is in it.
func (q *queue[T]) reset(items []T) {
	const small = 8 // below this there is no memory worth giving back
	if n := len(items); cap(q.items) > small && cap(q.items) > 4*n {
		q.items, q.head = append(make([]T, 0, n+n/2), items...), 0
		return
	}
	n := copy(q.items, items)
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}
