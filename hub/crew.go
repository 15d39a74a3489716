package hub

import (
	"context"
	"runtime/pprof"
	"sync"

	"github.com/tidings-sse/tidings/internal/queue"
)

// crew is the pool of goroutines that run the runners of a shard. A goroutine that finishes a turn takes the next waiting runner: a
// new goroutine for each turn would grow its stack first, which costs a third of the sending.
//
// A turn may block on a client or on the log. So one goroutine is always spare, and takes the next turn.
type crew struct {
	mu      sync.Mutex // guards the following
	waiting queue.Queue[*runner]
	spare   bool // a goroutine has been started and has not taken anything yet
}

// add lets a runner have a turn.
func (c *crew) add(r *runner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting.Push(r)
	c.hire()
}

// hire starts somebody if there is something to be taken. The caller has the lock.
func (c *crew) hire() {
	if !c.spare && c.waiting.Len() > 0 {
		c.spare = true
		go c.work()
	}
}

// crewLabels name its goroutines in profiles; by themselves they would be called after the shard that starts them.
var crewLabels = pprof.WithLabels(context.Background(), pprof.Labels("goroutine", "hub runner"))

func (c *crew) work() {
	pprof.SetGoroutineLabels(crewLabels)
	for r := c.take(true); r != nil; r = c.take(false) {
		r.run()
	}
}

// take returns the runner that has waited longest, nil if there is none.
func (c *crew) take(first bool) (r *runner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first {
		c.spare = false
	}
	if c.waiting.Len() == 0 {
		return nil
	}
	r = c.waiting.Pop()
	c.hire()
	return r
}
