package hub

import (
	"context"
	"runtime/pprof"
	"sync"
)

// crew are the goroutines in which the runners of a shard have their turns. Who is done with one takes the next that waits: a new
// goroutine for each would have to let its stack grow first, which costs as much as a third of the sending.
//
// Any of them may have to wait, for a client or for the log. So there is always one who could take the next turn.
type crew struct {
	mu    sync.Mutex // guards the following
	queue []*runner
	taken int  // of the queue
	spare bool // somebody has been started, and has not taken anything yet
}

// add lets a runner have a turn.
func (c *crew) add(r *runner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, r)
	c.hire()
}

// hire starts somebody if there is something to be taken. The caller has the lock.
func (c *crew) hire() {
	if !c.spare && c.taken < len(c.queue) {
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
	if c.taken == len(c.queue) {
		c.queue, c.taken = c.queue[:0], 0
		return nil
	}
	r, c.queue[c.taken] = c.queue[c.taken], nil
	c.taken++
	c.hire()
	return r
}
