package load

import (
	"sync"
	"sync/atomic"
)

// kind is what a subscriber is there for.
type kind int

const (
	live   kind = iota // reads as fast as it can
	slow               // reads so many bytes a second
	missed             // comes back with missed events
	probe              // learns an ID to come back with
	kinds
)

// counts is what subscribers of a kind have received.
type counts struct {
	events    int64 // of this run, each once
	again     int64
	late      int64
	misrouted int64 // of a topic that was not asked for
	other     int64 // not of this run: control events, history, what others publish
}

func (c *counts) add(o counts) {
	c.events += o.events
	c.again += o.again
	c.late += o.late
	c.misrouted += o.misrouted
	c.other += o.other
}

// ledger is what a group of subscribers has received. There are as many as goroutines that read, so that counting takes one
// lock for all that has come in at once, and nobody waits for it.
type ledger struct {
	mu      sync.Mutex // guards what follows, and the followers of the group
	counts  [kinds]counts
	latency histogram // of kind live
	behind  int64     // events that those of kind live have behind them, lost ones included

	passed atomic.Int64 // behind, for those who look often
}

func (l *ledger) lock() { l.mu.Lock() }

func (l *ledger) unlock() {
	l.passed.Store(l.behind)
	l.mu.Unlock()
}
