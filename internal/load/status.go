package load

import (
	"context"
	"sync/atomic"
	"time"
)

// Status is the progress of a run.
type Status struct {
	Phase     string
	Since     time.Duration // since the start of the phase
	Connected int64
	Asked     int     // how many subscribers should be connected
	Delivered float64 // recent events per second
	P99       time.Duration
}

// status holds the phase for watch.
type status struct{ phase atomic.Value }

// watch starts a goroutine that calls Options.Status. The returned function stops it and waits for it.
func (r *run) watch(ctx context.Context) (stop func()) {
	if r.Status == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.reportStatus(ctx)
	}()
	return func() { cancel(); <-done }
}

func (r *run) reportStatus(ctx context.Context) {
	const interval = 500 * time.Millisecond
	phase, since, last := "", r.now(), r.snapshot()
	for sleep(ctx, interval) == nil {
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
