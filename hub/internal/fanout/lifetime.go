package fanout

import (
	"math/rand/v2"
	"time"
)

// A stream lasts at most as long as the permission of its client, and at most Options.MaxAge. It ends at a random moment in the last fifth of
// that time. Otherwise streams that began together, or whose tokens were issued together, would reconnect together. The client gets a warning
// in time to get another token.

// warning is the time between the warning to a client and the end of its stream.
const warning = 30 * time.Second

// limitLife sets when a subscriber is warned and when it ends: at 80 to 100 % of the remaining permission of its client, or of MaxAge if that
// is earlier.
func (s *shard) limitLife(sub *subscriber) {
	now := s.wheel.at(time.Now())
	if expires := sub.client.Expires(); !expires.IsZero() {
		sub.end = now + s.wheel.ticks(mostOf(time.Until(expires)))
		sub.warn = max(sub.end-s.wheel.ticks(warning), 1)
	}
	if s.f.opts.MaxAge > 0 {
		if end := now + s.wheel.ticks(mostOf(s.f.opts.MaxAge)); sub.end == 0 || end < sub.end {
			sub.end, sub.ages = end, true
		}
	}
}

// mostOf returns a random duration of 80 to 100 % of d.
func mostOf(d time.Duration) time.Duration {
	return time.Duration((0.8 + 0.2*rand.Float64()) * float64(d))
}

// lifeEnded reports whether the life of a subscriber is over.
func (s *shard) lifeEnded(sub *subscriber) bool { return sub.end != 0 && s.wheel.now >= sub.end }

// endReason returns the reason for which a subscriber ends when its life is over.
func (sub *subscriber) endReason() Reason {
	if sub.ages {
		return Aged
	}
	return Expired
}

// due is called by the wheel. It ends a subscriber whose life is over or whose write timeout has passed. Otherwise it sends a warning or a
// heartbeat that is due.
func (s *shard) due(sub *subscriber) {
	switch {
	case s.lifeEnded(sub):
		sub.end = 0
		sub.via.leave(sub.endReason())
		return
	case sub.warn != 0 && s.wheel.now >= sub.warn && sub.stage == live:
		sub.warn = 0
		sub.via.send(sub.group.control(Control{Kind: ControlExpiring, Expires: sub.client.Expires()}))
		if sub.stage == closed || sub.due != 0 {
			return
		}
	}
	switch sub.stage {
	case stalled:
		timeout := s.wheel.ticks(s.f.opts.WriteTimeout)
		if silent := s.wheel.now - sub.wrote; silent < timeout {
			s.scheduleTimeout(sub, timeout-silent)
			return
		}
		if l, ok := sub.via.(*lane); ok && l.takesTurns() {
			sub.wrote = s.wheel.now
			s.scheduleTimeout(sub, timeout)
			return
		}
		s.close(sub, Slow)
	case live, catching, ahead:
		if s.wheel.now-sub.via.lastWrite() >= s.interval(sub.group)*3/4 {
			sub.via.heartbeat()
		}
		s.scheduleHeartbeat(sub)
	}
}

// interval returns the longest silence for the members of a group, in ticks.
func (s *shard) interval(g *group) int64 {
	if g.heartbeat > 0 {
		return s.wheel.ticks(time.Duration(g.heartbeat) * time.Millisecond)
	}
	return s.wheel.ticks(s.f.opts.Heartbeat)
}

// scheduleHeartbeat sets when the wheel checks a subscriber next. Heartbeats have jitter, so that subscribers that connected
// together do not get all their heartbeats together.
func (s *shard) scheduleHeartbeat(sub *subscriber) {
	if sub.stage == closed || sub.stage == stalled {
		return
	}
	in := max(s.interval(sub.group)-(s.wheel.now-sub.via.lastWrite()), 1)
	in -= rand.Int64N(in/8 + 1)
	for _, due := range [2]int64{sub.warn, sub.end} {
		if due != 0 {
			in = min(in, max(due-s.wheel.now, 1))
		}
	}
	s.wheel.set(sub, in)
}

// scheduleTimeout sets when the wheel checks a stalled subscriber, at the latest when its stream must end.
func (s *shard) scheduleTimeout(sub *subscriber, in int64) {
	if sub.end != 0 {
		in = min(in, sub.end-s.wheel.now)
	}
	s.wheel.set(sub, in)
}
