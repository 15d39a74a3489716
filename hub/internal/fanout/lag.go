package fanout

import (
	"context"
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A slow consumer may be behind as far as the log reaches, unless Options limit it. The limits count from the moment when the subscriber
// was last live, so that a replay may take any time.

// errTooSlow ends a stream that is too far behind. Its client reconnects and gets all missing events.
var errTooSlow = errors.New("the subscriber is too far behind")

// lagReason is the reason of the gap when a slow subscriber skips events.
const lagReason eventlog.Reason = "lag"

// fellBehind is called when the subscriber stops being live. first is the sequence number of its first missing event, 0 if that event is not
// published yet.
func (c *cursor) fellBehind(first uint64) {
	if c.f.opts.MaxLag == 0 && c.f.opts.MaxLagTime == 0 {
		return
	}
	w := c.f.window
	c.fell, c.fellAt = time.Now(), w.bytesSince(eventlog.Position{})
	if first > 0 {
		c.fellAt -= w.bytesSince(eventlog.Position{Gen: c.query.After.Gen, Seq: first})
	}
}

// tooFarBehind reports whether the cursor, whose next event is given, is farther behind than the limits allow.
func (c *cursor) tooFarBehind(next eventlog.Position) bool {
	o, w := &c.f.opts, c.f.window
	if c.fell.IsZero() {
		return false
	}
	return o.MaxLag > 0 && min(w.bytesSince(next), w.bytesSince(eventlog.Position{})-c.fellAt) > o.MaxLag ||
		o.MaxLagTime > 0 && time.Since(c.fell) > o.MaxLagTime
}

// moveOn moves the cursor to the head, or to just before the first end of a topic on the way, and reports a gap. It reports whether the
// cursor was moved.
func (c *cursor) moveOn(ctx context.Context) (bool, error) {
	from, to := c.query.After, c.f.window.head()
	end, err := c.f.ends.firstAfter(ctx, c.group, from.Seq)
	if err != nil {
		return false, err
	}
	if end > 0 && from.Gen == to.Gen {
		to.Seq = min(to.Seq, end-1)
	}
	c.fellBehind(0)
	if to.Gen == from.Gen && to.Seq <= from.Seq {
		return false, nil
	}
	c.query.After, c.query.Told = to, to.Seq
	c.sent, c.checkpoint = unsent, true
	c.appendGap(Gap{lagReason, from.String(), to})
	c.f.count.skipped.Add(1)
	return true, nil
}
