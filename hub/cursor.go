package hub

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// cursor is where a subscriber is, and makes what comes next for it. There is one way to be behind, whatever the reason: it
// reads on, from the window or, when it is behind that, from the log, until it is at the head. It does not wait, and does not
// know how bytes leave.
type cursor struct {
	hub   *Hub
	group *group
	query eventlog.Query // After is where it is
	until uint64         // head of the log when it began: the window may not have got so far yet
	byLog bool           // up to there it reads the log, which knows what is superseded
	sent  uint64         // number in the last id that went out, or noID

	once       bool // the stream ends with what is there
	failOnGap  bool
	checkpoint bool      // is due when it is at the head
	fell       time.Time // when it was live last; zero: it has not been
	fellAt     int64     // bytes that the window had had then

	events []*event
	pieces []piece
}

const noID = math.MaxUint64

// piece is some bytes of a stream that are of use only as a whole: a frame, or the rest of one.
type piece struct {
	text string
	at   uint64 // who has this has everything up to here
	end  bool   // topics end with it
	told bool   // it is no event: a cursor would not make it again

	begun bool // a part of it has left
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

// next returns what comes next. The pieces are good until the next call.
func (c *cursor) next(ctx context.Context) (pieces []piece, now state, err error) {
	c.pieces = c.pieces[:0]
	at := c.query.After
	events, complete, ok := c.hub.window.after(c.events[:0], &c.query.Selector, at, math.MaxUint64, pageBytes)
	if !ok || at.Seq < c.until && (c.byLog || complete == at) {
		var gap *eventlog.GapError
		ok = false
		if events, complete, gap, err = c.read(ctx, events[:0]); err != nil {
			return nil, behind, err
		} else if gap != nil {
			if c.tell(gap); c.failOnGap {
				return c.pieces, over, nil // the next request is refused, with the same position
			}
			return c.pieces, behind, nil
		}
	}
	defer c.keep(events)
	if len(events) > 0 && c.tooFar(events[0].id()) {
		if !c.hub.opts.SkipSlow {
			return nil, behind, errLag
		}
		if moved, err := c.moveOn(ctx); moved || err != nil {
			return c.pieces, behind, err
		}
	}
	for _, e := range events {
		p := e.piece(c.group.form)
		c.pieces = append(c.pieces, p)
		c.sent = p.at
		if p.end {
			if ended, err := c.group.ended(ctx, c.hub, e.id()); err != nil {
				return nil, behind, err
			} else if ended {
				c.query.After = e.id()
				return c.pieces, over, nil
			}
		}
	}
	c.query.After = complete
	if !ok && complete == at {
		c.until = 0 // there is no more, whatever the head was
	}
	if complete == at || complete.Seq >= c.until && c.hub.caughtUp(complete) {
		now = live
	}
	if now == live && c.checkpoint {
		c.checkpoint = false
		c.appendCheckpoint()
	}
	if now == live && c.once {
		now = over
	}
	return c.pieces, now, nil
}

// upTo returns what comes up to a position, at which the cursor is then. If the window has not all of that in one page, or topics
// end in it, it does nothing.
func (c *cursor) upTo(to eventlog.Position) (pieces []piece, ok bool) {
	events, complete, ok := c.hub.window.after(c.events[:0], &c.query.Selector, c.query.After, to.Seq, pageBytes)
	defer c.keep(events)
	if !ok || complete != to {
		return nil, false
	}
	c.pieces = c.pieces[:0]
	for _, e := range events {
		p := e.piece(c.group.form)
		if c.pieces = append(c.pieces, p); p.end {
			return nil, false
		}
	}
	if len(c.pieces) > 0 {
		c.sent = c.pieces[len(c.pieces)-1].at
	}
	c.query.After = to
	return c.pieces, true
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
	page, err := c.hub.pages.read(ctx, c.group, c.query)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		return events, complete, gap, nil
	} else if err != nil {
		return events, complete, nil, err
	}
	for i := range page.events {
		events = append(events, &page.events[i])
	}
	c.checkpoint = true
	return events, page.complete, nil, nil
}

// tell tells the subscriber of a gap, and goes on behind it. A gap has no id: who breaks off now is told again.
func (c *cursor) tell(gap *eventlog.GapError) {
	c.query = gap.Partial(c.query)
	c.sent, c.checkpoint = noID, true // a number alone says nothing after a reset
	c.tellGap(gapData{gap.Reason, gap.From.String(), gap.To.String()})
}

// appendCheckpoint says that everything up to here was sent, if the last id does not say so.
func (c *cursor) appendCheckpoint() {
	if c.sent == c.query.After.Seq {
		return
	}
	c.sent = c.query.After.Seq
	c.control(checkpointAt(c.query.After, 0))
}

func (c *cursor) tellGap(gap gapData) { c.control(sse.Event{Type: gapType, Data: controlData(gap)}) }

func (c *cursor) control(e sse.Event) {
	text := appendControl(nil, c.group.form, e, time.Now())
	c.pieces = append(c.pieces, piece{text: string(text), at: c.query.After.Seq, told: true})
}

// skip moves a live cursor on to before a number, up to which nothing matches.
func (c *cursor) skip(to uint64) {
	if to > c.query.After.Seq {
		c.query.After.Seq = to
	}
}

// back moves the cursor back to a number, because what comes after it in its last page has not left. Which id went out last is not
// looked for: at worst a checkpoint says it again.
func (c *cursor) back(to uint64) {
	c.query.After.Seq, c.sent = to, noID
	c.checkpoint = true
}

// caughtUp reports whether a position is at the head of the window or beyond.
func (h *Hub) caughtUp(at eventlog.Position) bool {
	head := h.window.head()
	return at.Gen == head.Gen && at.Seq >= head.Seq
}
