package cluster

import (
	"context"
	"errors"
	"time"
)

// Times of the contact with the order.
const (
	probeEvery  = 2 * time.Second  // the hub asks the order whether it still has its last message, and whether there are newer ones
	readyWithin = 5 * time.Second  // without contact for this long, the hub is not ready
	helpEvery   = 30 * time.Second // a diverged hub asks for a copy of another hub's log
	stuckAfter  = 10 * time.Second // without a message although the order has newer ones, the follower begins a new session
)

// probing asks the order every probeEvery. The answers are the hub's contact, and show whether the order has lost
// messages.
func (l *Log) probing() {
	var p prober
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for l.ctx.Err() == nil {
		p.probe(l)
		l.tidy()
		l.audits(&p.auditor)
		select {
		case <-ticker.C:
		case <-l.kicked:
		case <-l.ctx.Done():
		}
	}
}

// kick makes probing ask at once.
func (l *Log) kick() {
	select {
	case l.kicked <- struct{}{}:
	default:
	}
}

// prober is the state of probing.
type prober struct {
	began   began
	auditor auditor
	seq     uint64    // the last message at an earlier probe
	since   time.Time // since when seq has stayed the same, although there are newer messages
	helped  time.Time // when a diverged hub last asked for a copy
}

// probe asks the order once.
func (p *prober) probe(l *Log) {
	ctx, cancel := context.WithTimeout(l.ctx, probeEvery)
	defer cancel()
	began := time.Now()
	v, _ := l.look()
	b, err := l.order.Bounds(ctx)
	switch {
	case errors.Is(err, ErrMissing) && v.following:
		l.restart(ErrMissing)
		return
	case err != nil || !v.following:
		return
	}
	l.show(func(v *view) { v.bounds = b })
	if v.seq > 0 && !l.agrees(ctx, &v) || v.target > b.Last && v.seq >= b.Last {
		l.restart(errMoved)
		return
	}
	p.stuck(l, &v, b)
	if v.audited.diverged && time.Since(p.helped) > helpEvery {
		p.helped = time.Now()
		l.restart(errDiverged)
		return
	}
	if l.mends() {
		l.restart(errHarmed)
		return
	}
	if l.until(ctx, func(v *view) bool { return v.seq >= b.Last || !v.following }) != nil {
		return
	}
	if v, _ = l.look(); !v.following || v.seq < b.Last {
		return
	}
	c := l.need(&v, b)
	if c != nil && p.began.again() {
		_ = l.say(ctx, b.Identity, c) // repeated until a generation begins
	}
	if c == nil && v.settings != nil && !v.joined {
		if err := l.joins(&v); err != nil {
			l.fail(err)
			return
		}
		l.log.Debug("the hub has joined its cluster", "hub", l.o.Name, "generation", v.gen, "message", v.seq)
	}
	l.show(func(v *view) {
		v.contact = began
		v.joined = v.joined || c == nil && v.settings != nil
	})
}

// agrees reports whether the order still has the last message of the mirror. It is true if that is not known.
func (l *Log) agrees(ctx context.Context, v *view) bool {
	m, err := l.order.Message(ctx, v.seq)
	_, back := errors.AsType[*BackError](err)
	if err == nil && short(&m) == v.id || err != nil && !back {
		return true
	}
	now, _ := l.look()
	return now.mark != v.mark // the follower has noticed
}

// stuck reports whether no messages arrive although the order has newer ones.
func (p *prober) stuck(l *Log, v *view, b Bounds) {
	if v.seq != p.seq || v.seq >= b.Last || p.since.IsZero() {
		p.seq, p.since = v.seq, time.Now()
	} else if time.Since(p.since) > stuckAfter {
		p.since = time.Now()
		l.restart(errSilent)
	}
}

// restart makes the follower begin a new session.
func (l *Log) restart(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil && l.view.following {
		l.view.following = false
		l.stop(cause)
	}
}
