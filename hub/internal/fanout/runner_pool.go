package fanout

import (
	"context"
	"runtime/pprof"
	"sync"

	"github.com/tidings-sse/tidings/internal/queue"
)

// runnerPool has the goroutines that run the runners of a shard. A goroutine that finishes a turn takes the runner that has waited longest. A
// new goroutine for each turn would first have to grow its stack, which costs a third as much as the sending. A turn may block on a client or
// on the log. So the pool always keeps one spare goroutine, which takes the next turn.
type runnerPool struct {
	mu      sync.Mutex // guards the following
	waiting queue.Queue[*runner]
	spare   bool // a goroutine was started and has not taken a runner yet
}

// add queues a runner for a turn.
func (p *runnerPool) add(r *runner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting.Push(r)
	p.startWorker()
}

// startWorker starts a goroutine if runners wait and none is spare. The caller holds mu.
func (p *runnerPool) startWorker() {
	if !p.spare && p.waiting.Len() > 0 {
		p.spare = true
		go p.work()
	}
}

// workerLabels name the goroutines in profiles. Without them they would inherit the name of the shard that starts them.
var workerLabels = pprof.WithLabels(context.Background(), pprof.Labels("goroutine", "hub runner"))

func (p *runnerPool) work() {
	pprof.SetGoroutineLabels(workerLabels)
	for r := p.take(true); r != nil; r = p.take(false) {
		r.run()
	}
}

// take returns the runner that has waited longest, nil if there is none.
func (p *runnerPool) take(first bool) (r *runner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first {
		p.spare = false
	}
	if p.waiting.Len() == 0 {
		return nil
	}
	r = p.waiting.Pop()
	p.startWorker()
	return r
}
