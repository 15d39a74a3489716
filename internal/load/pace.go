package load

import (
	"context"
	"time"
)

// pace says when something is due that happens again and again.
type pace struct {
	run   *run
	first time.Duration // when it is due at first
	every time.Duration // 0: it is always due

	n    int64
	late time.Duration // of what was waited for last
}

// newPace returns one of so many times a second, 0 for as often as can be.
func (r *run) newPace(rate float64) *pace {
	p := &pace{run: r, first: r.now()}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait waits until it is due. It returns an error when ctx is over.
func (p *pace) wait(ctx context.Context) error {
	now := p.run.now()
	due := p.first + time.Duration(p.n)*p.every
	p.n++
	p.late = 0
	if p.every > 0 && now < due {
		return sleep(ctx, due-now) // if a timer comes late, that is not the hub's fault
	}
	if p.every > 0 {
		p.late = now - due
	}
	return ctx.Err()
}

// sleep waits for d, or returns an error when ctx ends first.
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
