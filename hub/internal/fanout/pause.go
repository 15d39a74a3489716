package fanout

import "time"

// pause is the time between two passes of a shard over its subscribers. After a pass it depends on how long the pass has taken; before a pass,
// Options.Gather decides.
//
// A pass over 1,000 subscribers takes about 5 ms, a publish 40 µs. When every processor of the Go scheduler runs a shard, publishers get a
// turn only between two passes. A shard that started its next pass at the first new event would send one event for each pass. During a pause
// publishers append more events, and the next pass sends all of them in one write for each subscriber. A pause delays only events that arrive
// during it. At 50 events a second for 1,000 subscribers, it delays none.
type pause struct {
	timer *time.Timer // fires when the pause ends
	until time.Time

	gathered bool // the next pass has already waited for Options.Gather, or the last one has left events over
}

// The length of a pause. Measured with one processor, 1,000 subscribers and 16 publishers: half of a pass delivers 36 times as many events as
// no pause, a quarter 28 times. Twice as long does not deliver more.
const (
	pauseShare = 2                     // a pause takes half as long as the pass before it
	pauseMost  = 5 * time.Millisecond  // a pause takes at most this: time for about 100 publishes
	pauseLeast = 50 * time.Microsecond // shorter pauses are skipped: a sleeping process wakes up as much as a millisecond late
)

// begin prepares the timer and returns it.
func (p *pause) begin() *time.Timer {
	p.timer = time.NewTimer(0)
	return p.timer
}

// after begins a pause after a pass.
func (p *pause) after(took time.Duration) {
	if d := min(took/pauseShare, pauseMost); d >= pauseLeast {
		p.until = time.Now().Add(d)
		p.timer.Reset(d)
	}
}

// gather begins a pause before a pass, in which more events may arrive, unless there was one. It reports whether the shard pauses.
func (p *pause) gather(d time.Duration) bool {
	if p.gathered || d <= 0 {
		return false
	}
	p.gathered = true
	p.until = time.Now().Add(d)
	p.timer.Reset(d)
	return true
}

// on reports whether the shard is pausing. timer fires when the pause ends.
func (p *pause) on() bool { return time.Now().Before(p.until) }
