package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// control acts on a control message.
func (f *follower) control(m *Message, c *control, fr *frame) error {
	begins := c.Begin != nil && c.Begin.counts(f.place.gen)
	switch {
	case stale(m, fr), c.Begin != nil && !begins:
		c, begins = &control{}, false // the settings in a begin without effect have no effect either
	case begins && f.elsewhere(c.Begin):
		return f.rejoin(c.Begin)
	case begins && f.place.gen != "" && f.checked != m.Seq:
		f.checking = m.Seq
		return errCheck
	}
	if f.place.gen == "" && !begins {
		f.place.advance(m, f.place.head)
		return nil
	}
	if !begins && c.Settings == nil {
		if err := f.close(m); err != nil {
			return err
		}
		f.pass(m, passedControl, c.Audit)
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	if begins {
		if err := f.beginGeneration(m, c.Begin); err != nil {
			return err
		}
	}
	if err := f.close(m); err != nil {
		return err
	}
	if c.Settings != nil {
		ret, err := c.Settings.retention()
		if err == nil {
			err = f.mirror.SetRetention(f.ctx, ret)
		}
		if err != nil {
			return mirrorError{err}
		}
		f.settings = c.Settings
	}
	if err := f.add(m, fr, []batch{{records: c.records(begins)}}); err != nil {
		return err
	}
	f.group.messages[len(f.group.messages)-1].begins = begins
	return f.flush()
}

// beginGeneration begins a generation in the mirror, after the records that it has. If the process ends before the place is stored, the
// mirror has the generation already when it comes to this message again.
func (f *follower) beginGeneration(m *Message, b *Begin) error {
	head := f.mirror.Head()
	if f.place.gen == "" {
		head.Seq = f.place.head // an earlier process may have skipped numbers before another beginning
	}
	if gen := head.Gen; m.Seq >= f.place.target && gen != b.Gen {
		if err := f.mirror.SetGeneration(f.ctx, b.Gen, head.Seq); err != nil {
			return mirrorError{err}
		}
		f.head = head.Seq
		if gen != "" {
			f.show(func(v *view) { v.changes++ })
		}
		switch {
		case gen != "":
			f.log.Info("a generation begins", "generation", b.Gen, "before", b.Prev, "cause", b.Cause)
		case [8]byte(m.ID[:8]) == f.self:
			f.log.Info("this hub begins a new cluster", "generation", b.Gen)
		default: // it may have begun long ago
			f.log.Info("this hub takes the generation of its cluster", "generation", b.Gen, "begun", m.Time)
		}
	}
	if f.place.gen == "" && f.missed {
		if err := f.saveOrigin(); err != nil {
			return err
		}
	}
	f.place.gen, f.begin = b.Gen, b
	f.continues, f.forced = mark{}, false
	return nil
}

// need returns the beginning of a generation that the order needs, or nil. It is called when the mirror has all messages.
func (l *Log) need(v *view, b Bounds) *control {
	begin := &Begin{Gen: eventlog.NewGeneration(), Prev: v.gen, Identity: b.Identity, After: v.head}
	c := &control{Begin: begin}
	switch {
	case v.gen == "":
		begin.Cause, begin.Forced = "a new cluster", v.missed
		if c.Settings = l.mine; c.Settings == nil {
			c.Settings, _ = settingsOf(nil) // the defaults are valid
		}
	case v.forced:
		begin.Cause, begin.Forced = "an administrator has reset the cluster", true
		c.Settings = v.settings
	case v.begin != nil && v.begin.Identity != b.Identity:
		begin.Cause = "the shared log is another one, or another server has it"
		if v.continues.seq > 0 {
			begin.Cause = "the shared log was created anew"
			begin.Message, begin.ID = v.continues.seq, idText(v.continues.id)
		}
	case v.mirrorGen != v.gen && v.seq >= v.target:
		begin.Cause = "the shared log has lost the beginning of a generation"
	default:
		return nil
	}
	return c
}

// say publishes a control message to the order with an identity, without a retry.
func (l *Log) say(ctx context.Context, to string, c *control) error {
	ctx, cancel := context.WithTimeout(ctx, repeatAfter)
	defer cancel()
	v, _ := l.look()
	return l.order.Publish(ctx, to, l.appends.next(l.self), c.frame(v.orderTime(), l.date(), v.hint()))
}

// SetRetention changes the retention of all hubs, at one position in the order. It waits until this hub has reached that position. It
// does not change the options of this hub: start it with the new ones next time. If ctx ends before that, the settings may still change.
func (l *Log) SetRetention(ctx context.Context, r *eventlog.Retention) error {
	s, err := settingsOf(r)
	if err != nil {
		return err
	}
	for {
		v, _ := l.look()
		if err := l.unready(&v); err != nil {
			return err
		}
		if err := l.say(ctx, v.bounds.Identity, &control{Settings: s}); err == nil || ctx.Err() == nil {
			wait, cancel := context.WithTimeout(ctx, repeatAfter)
			err = l.until(wait, func(v *view) bool { return v.settings != nil && v.settings.equal(s) })
			cancel()
			if err == nil {
				return nil
			}
		}
		if err := l.usable(ctx); err != nil {
			return fmt.Errorf("cluster: the settings have not changed yet, and may change later, because the shared log does not answer: %w", err)
		}
	}
}

// began is when this hub last published the beginning of a generation, so that it does not do so again before that has come back.
type began struct{ last time.Time }

func (b *began) again() bool {
	if time.Since(b.last) < 2*repeatAfter {
		return false
	}
	b.last = time.Now()
	return true
}
