package load

import (
	"sync"
	"sync/atomic"
)

// kind is the role of a subscriber.
type kind int

const (
	live      kind = iota // reads as fast as it can
	slow                  // reads a fixed number of bytes per second
	returning             // starts with an old ID, so that it has missed events
	probe                 // learns the ID that the returning subscribers start with
	kinds
)

// counts are the received events of all subscribers of a kind.
type counts struct {
	events    int64 // distinct events of this run
	again     int64 // duplicates
	late      int64 // out of order
	misrouted int64 // of a topic without a subscription
	other     int64 // not of this run: control events, history, events of other publishers
}

func (c *counts) add(o counts) {
	c.events += o.events
	c.again += o.again
	c.late += o.late
	c.misrouted += o.misrouted
	c.other += o.other
}

// shard is a group of subscribers with common counts and one lock. There is one shard per reading goroutine, so
// that counting many received events takes one lock without contention.
type shard struct {
	mu        sync.Mutex // guards the following, and the subscribers of the group
	counts    [kinds]counts
	latency   histogram // of kind live
	processed int64     // events up to the latest one of each live subscriber, lost ones included

	processedNow atomic.Int64 // copy of processed for reads without the lock
}

func (l *shard) lock() { l.mu.Lock() }

func (l *shard) unlock() {
	l.processedNow.Store(l.processed)
	l.mu.Unlock()
}
