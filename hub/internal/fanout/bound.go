package fanout

import "github.com/tidings-sse/tidings/eventlog"

// bound ends a poll before the head. Another poll from its last position continues without missing an event.
type bound struct {
	before  eventlog.Position // the poll has no events from here on; zero: no such bound
	events  int               // it may have this many more events, if it is limited
	limited bool
}

// boundOf returns the bound of a subscription, nil if it has none.
func boundOf(s *Subscription) *bound {
	if !s.Once || s.Limit == 0 && s.From.Before.IsZero() {
		return nil
	}
	return &bound{before: s.From.Before, events: s.Limit, limited: s.Limit > 0}
}

// full reports whether the poll has as many events as it may have.
func (b *bound) full() bool { return b != nil && b.limited && b.events == 0 }

// reached reports whether a poll that has everything up to a position must end there. A new generation has begun if the positions do not
// compare; then nothing more is before the bound.
func (b *bound) reached(at eventlog.Position) bool {
	return b != nil && (b.full() || !b.before.IsZero() && (at.Gen != b.before.Gen || at.Seq+1 >= b.before.Seq))
}

// limit returns the number of records that a read of the log needs at most; 0 if the bound does not say.
func (b *bound) limit() int {
	if b == nil || !b.limited {
		return 0
	}
	return b.events
}

// cut removes the events beyond the bound. It returns the position up to which the others are complete.
func (b *bound) cut(events []*event, complete eventlog.Position) ([]*event, eventlog.Position) {
	if b == nil {
		return events, complete
	}
	if b.before.Gen == complete.Gen && b.before.Seq <= complete.Seq {
		complete.Seq = b.before.Seq - 1
		for len(events) > 0 && events[len(events)-1].record.Seq > complete.Seq {
			events = events[:len(events)-1]
		}
	}
	if b.limited {
		if len(events) >= b.events {
			events = events[:b.events]
			complete = events[b.events-1].position()
		}
		b.events -= len(events)
	}
	return events, complete
}
