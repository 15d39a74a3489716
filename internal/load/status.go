package load

import (
	"context"
	"sync/atomic"
	"time"
)

// Status is how a run goes.
type Status struct {
	Phase     string
	Since     time.Duration // the phase began
	Connected int64
	Asked     int     // subscribers
	Delivered float64 // events a second, of late
	P99       time.Duration
}

// status is what the watcher needs.
type status struct{ phase atomic.Value }

// watch calls Options.Status until it is stopped by what it returns.
func (r *run) watch(ctx context.Context) (stop func()) {
	if r.Status == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.tell(ctx)
	}()
	return func() { cancel(); <-done }
}

func (r *run) tell(ctx context.Context) {
	const often = 500 * time.Millisecond
	phase, since, last := "", r.now(), r.snapshot()
	for sleep(ctx, often) == nil {
		if now, _ := r.status.phase.Load().(string); now != phase {
			phase, since = now, last.at
		}
		s := r.snapshot()
		r.Status(Status{
			Phase: phase, Since: s.at - since, Connected: r.up.Load(), Asked: r.Subscribers + r.Slow + r.Missing,
			Delivered: float64(s.counts[live].events-last.counts[live].events) / (s.at - last.at).Seconds(),
			P99:       s.latency.quantile(0.99),
		})
		last = s
	}
}
