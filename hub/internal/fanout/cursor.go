package fanout

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// cursor is the position of a subscriber that is not live. It makes the next bytes for that subscriber: it reads the window, or the log for
// older events, until it reaches the head. It never blocks on the client. Both kinds of delivery use it.
type cursor struct {
	f     *Fanout
	group *group
	query eventlog.Query // After is the position
	until uint64         // head of the log when the cursor began, which the window may not have reached yet
	byLog bool           // up to until it reads the log, which leaves out superseded records
	sent  uint64         // sequence number of the last position sent to the client, or unsent

	once       bool              // the stream ends at the head
	from       eventlog.Position // the start of the current page of the log, while a part of it is unsent
	bound      *bound
	failOnGap  bool
	checkpoint bool      // one is due at the head
	fromLog    bool      // it has read the log since it was at the head
	fell       time.Time // when the subscriber was live last; zero: never
	fellAt     int64     // bytes ever added to the window at that time

	events []*event
	chunks []chunk
	lent   bool // events and chunks belong to a replayer

	// A subscriber that is behind gets heartbeats while a goroutine waits for the log.
	writing sync.Mutex        // of a direct: held to write to the socket; guards rest and the following
	lock    chan struct{}     // the same for a runner, whose writes block: it has a value while one writes
	reached eventlog.Position // everything up to here was sent, except a rest
}

// heartbeat returns a heartbeat at the position that the subscriber has reached. The caller holds the lock for writing.
func (c *cursor) heartbeat() chunk {
	message := Control{Kind: ControlHeartbeat}
	if c.group.heartbeat > 0 { // the subscriber wants to see each heartbeat
		message.Kind, message.At = ControlCheckpoint, c.reached
	}
	made := c.group.control(message)
	made.at = c.reached.Seq
	return made
}

// unsent means that no position was sent, or that the last one is unknown.
const unsent = math.MaxUint64

// outcome is the result of a step of a cursor.
type outcome int

const (
	more   outcome = iota // there may be more to read
	atHead                // the cursor is at the head
	atEnd                 // all topics have ended; no event can follow
)

// pageBytes is about how many bytes of events a step makes: enough to make a write worth its cost.
const pageBytes = 64 << 10

// next returns the next chunks, about as many bytes as given from the window, or a page of the log. They are valid until the next call.
func (c *cursor) next(ctx context.Context, bytes int) (chunks []chunk, now outcome, err error) {
	c.chunks = c.chunks[:0]
	at := c.query.After
	if c.bound.reached(at) {
		c.endAtBound()
		return c.chunks, atEnd, nil
	}
	events, complete, ok := c.f.window.after(c.events[:0], &c.query.Selector, at, math.MaxUint64, bytes)
	if !ok || at.Seq < c.until && (c.byLog || complete == at) {
		var gap *eventlog.GapError
		ok = false
		if events, complete, gap, err = c.read(ctx, events[:0]); err != nil {
			return nil, more, err
		} else if gap != nil {
			if c.reportGap(gap); c.failOnGap {
				return c.chunks, atEnd, nil // the next request, with the same position, is refused
			}
			if ended, err := c.f.ends.complete(ctx, c.group, c.query.After); err != nil {
				return nil, more, err
			} else if ended { // in the new generation
				return c.chunks, atEnd, nil
			}
			return c.chunks, more, nil
		}
	}
	defer c.keep(events)
	kept, complete := c.bound.cut(events, complete)
	if len(events) > 0 && c.tooFarBehind(events[0].position()) {
		if !c.f.opts.SkipSlow {
			return nil, more, errTooSlow
		}
		switch moved, err := c.moveOn(ctx); {
		case err != nil:
			return nil, more, err
		case moved && c.failOnGap:
			return c.chunks, atEnd, nil
		case moved:
			return c.chunks, more, nil
		}
	}
	for _, e := range kept {
		if c.appendEvent(e); !e.ends() {
			continue
		}
		if ended, err := c.f.ends.complete(ctx, c.group, e.position()); err != nil {
			return nil, more, err
		} else if ended {
			c.query.After = e.position()
			return c.chunks, atEnd, nil
		}
	}
	if c.query.After = complete; c.bound.reached(complete) {
		c.endAtBound()
		return c.chunks, atEnd, nil
	}
	if !ok && complete == at {
		c.until = 0 // the log has no more records, even if its head was higher
	}
	if complete == at || complete.Seq >= c.until && (c.once || c.f.window.reached(complete)) {
		now = atHead
	}
	if now == atHead && c.checkpoint {
		c.checkpoint = false
		c.appendCheckpoint()
	}
	if now == atHead && c.fromLog {
		// The log may have trimmed the record of an end that still holds. Then there was no event to show that the stream is complete.
		if c.once, err = c.completeAtHead(ctx); err != nil {
			return nil, more, err
		}
	}
	if now == atHead && c.once {
		now = atEnd
	}
	return c.chunks, now, nil
}

// endAtBound appends the checkpoint that ends a poll at its bound.
func (c *cursor) endAtBound() {
	if c.bound.full() {
		c.control(Control{Kind: ControlCheckpoint, At: c.query.After, More: true})
		return
	}
	c.appendCheckpoint()
}

// completeAtHead reports whether the stream ends at the head.
func (c *cursor) completeAtHead(ctx context.Context) (bool, error) {
	if c.once {
		return true, nil
	}
	complete, err := c.f.ends.complete(ctx, c.group, c.query.After)
	c.fromLog = err != nil
	return complete, err
}

// fewMissed is the number of missing records up to which the shard itself sends them, without a replayer.
const fewMissed = 16

// missesMore reports whether a replayer has to bring the cursor to a position: the cursor is too far behind, or has to read the log, which
// leaves out superseded records.
func (c *cursor) missesMore(at eventlog.Position) bool {
	from := c.query.After
	return from.Gen != at.Gen || from.Seq+fewMissed < at.Seq || at.Seq < c.until || c.byLog && from.Seq < c.until
}

// upTo returns the chunks up to a position, and moves the cursor there. If they are more than one page of the window, or if topics end in
// them, it does nothing and ok is false.
func (c *cursor) upTo(to eventlog.Position) (chunks []chunk, ok bool) {
	events, complete, ok := c.f.window.after(c.events[:0], &c.query.Selector, c.query.After, to.Seq, pageBytes)
	defer c.keep(events)
	if !ok || complete != to {
		return nil, false
	}
	c.chunks = c.chunks[:0]
	sent := c.sent
	for _, e := range events {
		if c.appendEvent(e); e.ends() {
			c.sent = sent
			return nil, false
		}
	}
	c.query.After = to
	return c.chunks, true
}

// appendEvent appends an event to the chunks. If the encoding hides the event, the client does not get its position.
func (c *cursor) appendEvent(e *event) {
	made := e.chunk(c.group.encoding)
	c.chunks = append(c.chunks, made)
	if made.text != "" {
		c.sent = made.at
	}
}

// keep reuses the memory of a page for the next one, and releases its events.
func (c *cursor) keep(events []*event) {
	clear(events)
	if c.events = events[:0]; cap(events) > 64 && !c.lent {
		c.events = nil
	}
}

// read is the step of a cursor that is below the window.
func (c *cursor) read(ctx context.Context, events []*event) (_ []*event, complete eventlog.Position, gap *eventlog.GapError, err error) {
	c.fromLog = true
	page, err := c.page(ctx)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		return events, complete, gap, nil
	} else if err != nil {
		return events, complete, nil, err
	}
	for i := range page.events {
		if e := &page.events[i]; e.record.Seq > c.query.After.Seq {
			events = append(events, e)
		}
	}
	c.checkpoint = true
	return events, page.complete, nil, nil
}

// page returns the next page of the log. If the subscriber has got only a part of the last one, that is the same page, unless it is no longer kept.
func (c *cursor) page(ctx context.Context) (*page, error) {
	c.query.Bytes, c.query.Limit = pageBytes, c.bound.limit()
	if same := c.f.pages.with(c.group.wants, c.from, c.query); same != nil {
		return same, nil
	}
	c.from = c.query.After
	return c.f.pages.read(ctx, c.group.wants, c.query)
}

// reportGap sends the client a gap, and moves the cursor past it. A gap carries no position, so that a client that disconnects now gets the
// gap again.
func (c *cursor) reportGap(gap *eventlog.GapError) {
	c.query = gap.Partial(c.query)
	c.sent, c.checkpoint = unsent, true // after a reset, a sequence number alone says nothing
	c.appendGap(Gap{gap.Reason, gap.From.String(), gap.To})
}

func (c *cursor) appendGap(gap Gap) {
	c.control(Control{Kind: ControlGap, At: c.query.After, Gap: &gap})
}

// appendCheckpoint appends a checkpoint at the cursor's position, unless the client already has that position.
func (c *cursor) appendCheckpoint() {
	if c.sent == c.query.After.Seq {
		return
	}
	c.sent = c.query.After.Seq
	c.control(Control{Kind: ControlCheckpoint, At: c.query.After})
}

func (c *cursor) control(message Control) {
	if made := c.group.control(message); made.text != "" {
		c.chunks = append(c.chunks, made)
	}
}

// skip moves the cursor of a live subscriber to a sequence number, up to which nothing matches.
func (c *cursor) skip(to uint64) {
	if to > c.query.After.Seq {
		c.query.After.Seq = to
	}
}

// back moves the cursor back to a sequence number, because the later chunks of the last page were not sent. It does not search for the last
// position that the client got; at worst a checkpoint repeats that position.
func (c *cursor) back(to uint64) {
	c.query.After.Seq, c.sent = to, unsent
	c.checkpoint = true
}
