package hub

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// start returns the cursor of a subscription, and what is sent before anything else. There is no cursor if nothing can ever
// come.
func (h *Hub) start(ctx context.Context, s *subscription) (c *cursor, first []byte, err error) {
	c = &cursor{hub: h, group: newGroup(s.wanted, s.form), sent: noID, once: s.poll, failOnGap: s.failOnGap}
	c.group.beat = s.beat
	c.query.Selector = c.group.selector
	gap, err := h.place(ctx, s, &c.query)
	if err != nil {
		return nil, nil, err
	}
	c.byLog = s.seek != nil
	if gap == nil && s.failOnGap && !h.window.has(c.query.After) { // the first look may find one
		if gap, err = h.missing(ctx, c.query); err != nil {
			return nil, nil, err
		}
	}
	if gap != nil && s.failOnGap {
		p := problem(http.StatusGone, problemGap,
			"events after %s cannot be had any more (%s); load the current state, and subscribe from %s", gap.From, gap.Reason, gap.To)
		p.Extra = map[string]any{"reason": gap.Reason, "from": gap.From, "to": gap.To}
		return nil, nil, p
	}
	if ended, err := c.group.ended(ctx, h, c.query.After); err != nil {
		return nil, nil, err
	} else if ended {
		return nil, nil, nil
	}
	if gap != nil { // before the checkpoint: a client that has the checkpoint is not told of the gap again
		first = appendControl(first, s.form, sse.Event{Type: gapType, Data: controlData(gap)}, time.Now())
	}
	first = appendControl(first, s.form, checkpointAt(c.query.After, jitter(retryLeast, retryMost)), time.Now())
	c.sent = c.query.After.Seq
	head := h.log.Head()
	if c.checkpoint = c.query.After != head; head.Gen == c.query.After.Gen {
		c.until = head.Seq
	}
	return c, first, nil
}

// place sets where a subscription begins: after the latest of its valid positions, which are those of this generation up to the head.
// Positions of other generations, beyond the head, or that are none count only if no valid one is there. Then the subscriber is told of a gap.
// Without any position it begins as since and last say.
func (h *Hub) place(ctx context.Context, s *subscription, q *eventlog.Query) (gap *gapData, err error) {
	head := h.log.Head()
	var beyond, unknown string // the first of each kind
	for _, text := range s.positions {
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
		return &gapData{Reason: eventlog.Rollback, From: beyond, To: head.String()}, nil
	}
	if err := h.seek(ctx, s, q, head); err != nil || unknown == "" {
		return nil, err
	}
	return &gapData{Reason: eventlog.Reset, From: access.HideTokens(clip(unknown)), To: q.After.String()}, nil
}

// clip shortens what a client has sent as a position and is none.
func clip(text string) string { return text[:min(len(text), 100)] }

// seek is place for those who have no position: since, last, or from now on. A poll without any has all there is.
func (h *Hub) seek(ctx context.Context, s *subscription, q *eventlog.Query, head eventlog.Position) error {
	from := s.seek
	if from == nil && s.poll {
		from = &eventlog.Start{}
	}
	if from == nil {
		q.After, q.Told = head, head.Seq
		return nil
	}
	found, err := h.log.Seek(ctx, q.Selector, *from)
	if err == nil {
		*q = found
		if q.After.IsZero() {
			q.After.Gen = head.Gen
		}
	}
	return err
}

// missing returns the gap with which a query begins, nil if there is none.
func (h *Hub) missing(ctx context.Context, q eventlog.Query) (*gapData, error) {
	q.Limit = 1
	_, err := h.log.Read(ctx, q)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		return &gapData{gap.Reason, gap.From.String(), gap.To.String()}, nil
	}
	return nil, err
}

// end returns the number of the record that ended a topic, 0 if it has not ended, as of a number or later. The window may not have got
// so far; and when it has an end, the log may have forgotten that, so that the name is free.
func (h *Hub) end(ctx context.Context, name string, asOf uint64) (uint64, error) {
	if newest := h.window.newest(name); newest != nil && newest.Flags&eventlog.End == 0 && asOf <= h.window.head().Seq {
		return 0, nil
	}
	q, err := h.log.Seek(ctx, eventlog.Topics(name), eventlog.Start{Last: 1})
	if err != nil {
		return 0, err
	}
	answer, err := h.log.Read(ctx, q)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok { // what was the newest is gone
		answer, err = h.log.Read(ctx, gap.Partial(q))
	}
	if err != nil || len(answer.Records) == 0 {
		return 0, err
	}
	if last := answer.Records[len(answer.Records)-1]; last.Flags&eventlog.End != 0 {
		return last.Seq, nil
	}
	return 0, nil
}
