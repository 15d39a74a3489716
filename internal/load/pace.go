package load

import (
	"context"
	"time"
)

// pace schedules an action at a fixed rate.
type pace struct {
	run   *run
	first time.Duration // when the action is due first
	every time.Duration // interval; 0 means no limit

	n    int64
	late time.Duration // how long after the due time the last wait was called; 0 if before
}

// newPace returns a pace of rate actions per second; 0 means no limit.
func (r *run) newPace(rate float64) *pace {
	p := &pace{run: r, first: r.now()}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait waits until the action is due. It returns an error when ctx is done.
func (p *pace) wait(ctx context.Context) error {
	now := p.run.now()
	due := p.first + time.Duration(p.n)*p.every
	p.n++
	p.late = 0
	if p.every > 0 && now < due {
		return sleep(ctx, due-now) // a late timer does not count as late, because the hub did not cause it
	}
	if p.every > 0 {
		p.late = now - due
	}
	return ctx.Err()
}

// sleep waits for d. It returns an error if ctx is done first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
