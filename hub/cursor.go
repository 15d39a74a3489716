package hub

import (
	"context"
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// cursor is where a subscriber is, and makes what comes next for it. There is one way to be behind, whatever the reason: it
// reads on, from the window or, when it is behind that, from the log, until it is at the head. It does not wait, and does not
// know how bytes leave.
type cursor struct {
	hub   *Hub
	form  form
	query eventlog.Query // After is where it is
	sent  eventlog.Position
	open  map[string]struct{} // topics that have not ended; nil if there may be others

	once       bool // the stream ends with what is there
	failOnGap  bool
	checkpoint bool // is due when it is at the head
	events     []*event
}

// state is what a cursor is after a step.
type state int

const (
	behind state = iota // there may be more
	live                // it is at the head
	over                // nothing will ever come
)

// pageBytes is how much of events a step makes, more or less; enough that a write is worth its while.
const pageBytes = 64 << 10

// next appends what comes next.
func (c *cursor) next(ctx context.Context, b []byte) (_ []byte, now state, err error) {
	at := c.query.After
	events, complete, ok := c.hub.window.after(c.events[:0], &c.query.Selector, at, pageBytes)
	if !ok {
		var gap *eventlog.GapError
		if events, complete, gap, err = c.read(ctx, events); err != nil {
			return b, behind, err
		} else if gap != nil {
			if b = c.tell(b, gap); c.failOnGap {
				return b, over, nil // the next request is refused, with the same position
			}
			return b, behind, nil
		}
	}
	for _, e := range events {
		b = append(b, e.frame(c.form)...)
		c.sent = e.id()
		if c.ends(e.record) {
			c.keep(events)
			c.query.After = c.sent
			return b, over, nil
		}
	}
	c.keep(events)
	c.query.After = complete
	if ok && complete == at || c.hub.caughtUp(complete) {
		now = live
	}
	if now == live && c.checkpoint {
		c.checkpoint = false
		b = c.appendCheckpoint(b)
	}
	if now == live && c.once {
		now = over
	}
	return b, now, nil
}

// keep keeps the memory of a page for the next one, and nothing of what was in it.
func (c *cursor) keep(events []*event) {
	clear(events)
	if c.events = events[:0]; cap(events) > 64 {
		c.events = nil
	}
}

// read is the step of who is behind the window.
func (c *cursor) read(ctx context.Context, events []*event) (_ []*event, complete eventlog.Position, gap *eventlog.GapError, err error) {
	c.query.Bytes = pageBytes
	answer, err := c.hub.log.Read(ctx, c.query)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		return events, complete, gap, nil
	} else if err != nil {
		return events, complete, nil, err
	}
	made := make([]event, len(answer.Records))
	for i := range answer.Records {
		made[i].record, made[i].gen = &answer.Records[i], answer.Complete.Gen
		events = append(events, &made[i])
	}
	c.checkpoint = true
	return events, answer.Complete, nil, nil
}

// tell tells the subscriber of a gap, and goes on behind it. A gap has no id: who breaks off now is told again.
func (c *cursor) tell(b []byte, gap *eventlog.GapError) []byte {
	b = appendControl(b, c.form, gapType, "", gapData{gap.Reason, gap.From.String(), gap.To.String()}, time.Now())
	c.query = gap.Partial(c.query)
	c.checkpoint = true
	return b
}

// appendCheckpoint says that everything up to here was sent, if the last id does not say so.
func (c *cursor) appendCheckpoint(b []byte) []byte {
	if c.sent == c.query.After {
		return b
	}
	c.sent = c.query.After
	return appendControl(b, c.form, checkpointType, c.sent.String(), nil, time.Now())
}

// skip moves a live cursor on to before a number, up to which nothing matches.
func (c *cursor) skip(to uint64) {
	if to > c.query.After.Seq {
		c.query.After.Seq = to
	}
}

// caughtUp reports whether a position is at the head of the window or beyond.
func (h *Hub) caughtUp(at eventlog.Position) bool {
	head := h.window.head()
	return at.Gen == head.Gen && at.Seq >= head.Seq
}

// ends reports whether a record was the last that can ever come.
func (c *cursor) ends(r *eventlog.Record) bool {
	if c.open == nil || r.Flags&eventlog.End == 0 {
		return false
	}
	for _, topic := range r.Topics {
		delete(c.open, topic)
	}
	return len(c.open) == 0
}
