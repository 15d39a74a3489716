package hub

import (
	"context"
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Whoever is slow may be behind as far as the log reaches, unless there is a bound. It holds for those who were live, from
// when they were not any more: a replay may take as long as it takes.

// errLag ends a stream that is too far behind. Its client comes back, and gets everything that it lacks.
var errLag = errors.New("the subscriber is too far behind")

// lagReason is the reason of a gap for one who is moved on.
const lagReason eventlog.Reason = "lag"

// fall is called when a cursor stops being live, with the number of the first event that it has not seen, 0 if that is the next that
// comes.
func (c *cursor) fall(first uint64) {
	if c.hub.opts.MaxLag == 0 && c.hub.opts.MaxLagTime == 0 {
		return
	}
	w := c.hub.window
	c.fell, c.fellAt = time.Now(), w.since(eventlog.Position{})
	if first > 0 {
		c.fellAt -= w.since(eventlog.Position{Gen: c.query.After.Gen, Seq: first})
	}
}

// tooFar reports whether the cursor, whose next event this is, is farther behind than is allowed.
func (c *cursor) tooFar(next eventlog.Position) bool {
	o := &c.hub.opts
	if c.fell.IsZero() {
		return false
	}
	return o.MaxLag > 0 && min(c.hub.window.since(next), c.hub.window.since(eventlog.Position{})-c.fellAt) > o.MaxLag ||
		o.MaxLagTime > 0 && time.Since(c.fell) > o.MaxLagTime
}

// moveOn moves the cursor to the head, and tells of the gap; or to where the first topic ends on the way, which nobody is to miss. It
// reports whether the cursor was moved.
func (c *cursor) moveOn(ctx context.Context) (bool, error) {
	from, to := c.query.After, c.hub.window.head()
	end, err := c.group.firstEnd(ctx, c.hub, from.Seq)
	if err != nil {
		return false, err
	}
	if end > 0 && from.Gen == to.Gen {
		to.Seq = min(to.Seq, end-1)
	}
	c.fall(0)
	if to.Gen == from.Gen && to.Seq <= from.Seq {
		return false, nil
	}
	c.query.After, c.query.Told = to, to.Seq
	c.sent, c.checkpoint = noID, true
	c.tellGap(gapData{lagReason, from.String(), to.String()})
	c.hub.count.skipped.Add(1)
	return true, nil
}

// since returns how many bytes of events have come from a position on, whoever wants them; if the window does not reach that far
// back, how many it has ever had.
func (w *window) since(from eventlog.Position) int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if from.Gen != w.gen || from.Seq <= w.low {
		return w.passed
	}
	after := since(w.entries.All(), from.Seq-1)
	if len(after) == 0 {
		return 0
	}
	return w.passed - after[0].passed
}
