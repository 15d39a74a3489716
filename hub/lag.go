package hub

import (
	"errors"
	"math"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Whoever is slow may be behind as far as the log reaches, unless there is a bound. It holds for those who were live, from
// when they were not any more: a replay may take as long as it takes.

// errLag ends a stream that is too far behind. Its client comes back, and gets everything that it lacks.
var errLag = errors.New("the subscriber is too far behind")

// lagReason is the reason of a gap for one who is moved on.
const lagReason eventlog.Reason = "lag"

// fall is called when a cursor stops being live.
func (c *cursor) fall() { c.fell = time.Now() }

// tooFar reports whether the cursor is farther behind than is allowed.
func (c *cursor) tooFar() bool {
	o := &c.hub.opts
	if c.fell.IsZero() || o.MaxLag == 0 && o.MaxLagTime == 0 {
		return false
	}
	return o.MaxLag > 0 && c.hub.window.behind(c.query.After) > o.MaxLag || o.MaxLagTime > 0 && time.Since(c.fell) > o.MaxLagTime
}

// moveOn moves the cursor to the head, and tells of the gap.
func (c *cursor) moveOn() {
	from, head := c.query.After, c.hub.window.head()
	c.query.After, c.query.Told = head, head.Seq
	c.checkpoint = true
	c.fall()
	c.control(gapType, "", gapData{lagReason, from.String(), head.String()})
	c.hub.count.skipped.Add(1)
}

// behind returns how many bytes of events the window has after a position, whoever wants them; if it does not reach that far
// back, more than any number.
func (w *window) behind(at eventlog.Position) int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if at.Gen != w.gen || at.Seq < w.low {
		return math.MaxInt64
	}
	after := since(w.entries, at.Seq)
	if len(after) == 0 {
		return 0
	}
	return w.passed - after[0].passed
}
