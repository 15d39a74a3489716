package fanout

import "time"

// rest is the pause of a shard between two passes over its subscribers. After a pass it depends on how long the pass has taken; before a pass,
// Options.Gather decides.
//
// A pass over 1,000 subscribers takes about 5 ms, a publish 40 µs. When every processor of the Go scheduler runs a shard, publishers get a
// turn only between two passes. A shard that started its next pass at the first new event would send one event for each pass. During a rest
// publishers append more events, and the next pass sends all of them in one write for each subscriber. A rest delays only events that arrive
// during it. At 50 events a second for 1,000 subscribers, it delays none.
type rest struct {
	timer *time.Timer // fires when the rest ends
	until time.Time

	gathered bool // the next pass has already waited for Options.Gather, or the last one has left events over
}

// The length of a rest. Measured with one processor, 1,000 subscribers and 16 publishers: half of a pass delivers 36 times as many events as
// no rest, a quarter 28 times. Twice as long does not deliver more.
const (
	restShare = 2                     // a rest takes half as long as the pass before it,
	restMost  = 5 * time.Millisecond  // but at most this: time for about 100 publishes
	restLeast = 50 * time.Microsecond // shorter rests are skipped: a sleeping process wakes up as much as a millisecond late
)

// begin prepares the timer and returns it.
func (r *rest) begin() *time.Timer {
	r.timer = time.NewTimer(0)
	return r.timer
}

// after begins a rest after a pass.
func (r *rest) after(took time.Duration) {
	if d := min(took/restShare, restMost); d >= restLeast {
		r.until = time.Now().Add(d)
		r.timer.Reset(d)
	}
}

// gather begins a rest before a pass, in which more events may arrive, unless there was one. It reports whether the shard rests.
func (r *rest) gather(d time.Duration) bool {
	if r.gathered || d <= 0 {
		return false
	}
	r.gathered = true
	r.until = time.Now().Add(d)
	r.timer.Reset(d)
	return true
}

// on reports whether the shard is resting. timer fires when the rest ends.
func (r *rest) on() bool { return time.Now().Before(r.until) }
