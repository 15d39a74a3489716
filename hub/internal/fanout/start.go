package fanout

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Start says where a stream begins. The zero Start means new events only.
type Start struct {
	// Positions are the texts that the client sent. The stream begins after the latest valid one: of this generation, and not beyond the
	// head. If the client sent positions and none is valid, it gets a gap.
	Positions []string

	// Before ends a poll: it has no events from this position on. With a number of last events in Seek, the poll has the last ones before
	// this position. The zero Position: the poll ends at the head
	Before eventlog.Position

	// Seek is where the stream begins if no position is valid. nil: with new events
	Seek *eventlog.Start
}

// begin sets the cursor of a stream, and the gap with which it begins, if any.
func (st *Stream) begin(ctx context.Context, s *Subscription) error {
	f, c := st.f, st.cursor
	if err := f.await(ctx, s.From.texts()); err != nil {
		return err
	}
	if err := f.checkBound(s.From.Before); err != nil {
		return err
	}
	gap, err := f.place(ctx, s, &c.query)
	if err != nil {
		return err
	}
	c.byLog = s.From.Seek != nil
	if gap == nil && !f.window.has(c.query.After) { // the window has no gaps
		if gap, err = c.firstGap(ctx); err != nil {
			return err
		}
	}
	if gap != nil && s.FailOnGap {
		return &GapError{*gap}
	}
	if complete, err := f.ends.complete(ctx, c.group, c.query.After); err != nil {
		return err
	} else if complete {
		if gap == nil {
			return ErrEnded
		}
		c.once = true // the client gets the gap now, and the end when it reconnects
	}
	st.gap = gap
	c.sent = c.query.After.Seq // the message that opens the stream has this position
	head := f.log.Head()
	if c.checkpoint = c.query.After != head; head.Gen == c.query.After.Gen {
		c.until = head.Seq
	}
	return nil
}

// texts returns the positions as the client sent them, including Before.
func (s *Start) texts() []string {
	if s.Before.IsZero() {
		return s.Positions
	}
	return append(slices.Clone(s.Positions), s.Before.String())
}

// checkBound returns a *GapError unless the events before a position can be told from those after it.
func (f *Fanout) checkBound(before eventlog.Position) error {
	head := f.log.Head()
	switch {
	case before.IsZero():
		return nil
	case before.Gen != head.Gen:
		return &GapError{Gap{eventlog.Reset, before.String(), head}}
	case before.Seq > head.Seq:
		return &GapError{Gap{eventlog.Rollback, before.String(), head}}
	}
	return nil
}

// awaitTime is how long a stream waits for a log that may be behind the client's position.
const awaitTime = 5 * time.Second

// await waits until the log can tell whether the positions of a client are valid. It returns ErrBehind if that takes too long.
func (f *Fanout) await(ctx context.Context, positions []string) error {
	log, ok := f.log.(eventlog.Awaiter)
	if !ok {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, awaitTime)
	defer cancel()
	for _, text := range positions {
		at, err := eventlog.ParsePosition(text)
		if head := f.log.Head(); err != nil || at.Gen == head.Gen && at.Seq <= head.Seq {
			continue
		}
		if err := log.Await(waiting, at); err != nil {
			if ctx.Err() == nil && waiting.Err() != nil {
				return ErrBehind
			}
			return err
		}
	}
	return nil
}

// place sets where a query begins. If none of the positions is valid, it returns a gap. It ignores positions of other generations,
// positions beyond the head and malformed ones if there is a valid one.
func (f *Fanout) place(ctx context.Context, s *Subscription, q *eventlog.Query) (gap *Gap, err error) {
	head := f.log.Head()
	var beyond, unknown string // the first of each kind
	for _, text := range s.From.Positions {
		at, err := eventlog.ParsePosition(text)
		switch {
		case err != nil || at.Gen != head.Gen:
			unknown = cmp.Or(unknown, text)
		case at.Seq > head.Seq:
			beyond = cmp.Or(beyond, text)
		case q.After.IsZero() || at.Seq > q.After.Seq:
			q.After = at
		}
	}
	switch {
	case !q.After.IsZero():
		return nil, nil
	case beyond != "":
		q.After, q.Told = head, head.Seq
		return &Gap{eventlog.Rollback, beyond, head}, nil
	}
	if err := f.seek(ctx, s, q, head); err != nil || unknown == "" {
		return nil, err
	}
	return &Gap{eventlog.Reset, unknown[:min(len(unknown), 100)], q.After}, nil
}

// seek is place for a stream without a position. A poll without a start begins with the oldest record.
func (f *Fanout) seek(ctx context.Context, s *Subscription, q *eventlog.Query, head eventlog.Position) error {
	from := s.From.Seek
	if from == nil && s.Once {
		from = &eventlog.Start{}
	}
	if from == nil {
		q.After, q.Told = head, head.Seq
		return nil
	}
	start := *from
	start.Before = s.From.Before.Seq
	found, err := f.log.Seek(ctx, q.Selector, start)
	if err == nil {
		*q = found
		if q.After.IsZero() {
			q.After.Gen = head.Gen
		}
	}
	return err
}

// firstGap returns the gap with which a cursor begins, nil if there is none. The cursor then continues after the gap. What it reads is the
// cursor's first page, so that many clients that resume at one position read the log once.
func (c *cursor) firstGap(ctx context.Context) (*Gap, error) {
	_, err := c.page(ctx)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		c.query = gap.Partial(c.query)
		return &Gap{gap.Reason, gap.From.String(), gap.To}, nil
	}
	return nil, err
}
