package fanout

import "time"

// wheel is the timer of a shard's subscribers (a timing wheel). It times heartbeats, write timeouts and the ends of streams. Setting a time
// takes constant time, and a subscriber that is not due costs nothing.
type wheel struct {
	tick  time.Duration
	start time.Time
	now   int64 // ticks since start
	slots [][]*subscriber
}

// wheelSlots is the largest number of ticks that can be set. A subscriber that is due later gets an earlier tick, and is then set again.
const wheelSlots = 512

// newWheel returns a wheel with ticks short enough for the shortest of its times.
func newWheel(shortest time.Duration) *wheel {
	tick := min(max(shortest/100, time.Millisecond), 250*time.Millisecond)
	return &wheel{tick: tick, start: time.Now(), slots: make([][]*subscriber, wheelSlots)}
}

// at returns the tick of a time. Any goroutine may call it.
func (w *wheel) at(now time.Time) int64 { return int64(now.Sub(w.start) / w.tick) }

// ticks returns a time as ticks, at least one.
func (w *wheel) ticks(d time.Duration) int64 { return max(int64(d/w.tick), 1) }

// set sets when a subscriber is due, in ticks from now. It replaces an earlier time.
func (w *wheel) set(s *subscriber, in int64) {
	w.clear(s)
	s.due = w.now + min(max(in, 1), wheelSlots-1)
	slot := &w.slots[s.due%wheelSlots]
	s.dueAt = int32(len(*slot))
	*slot = append(*slot, s)
}

// clear takes a subscriber off the wheel.
func (w *wheel) clear(s *subscriber) {
	if s.due == 0 {
		return
	}
	slot := &w.slots[s.due%wheelSlots]
	last := len(*slot) - 1
	(*slot)[s.dueAt] = (*slot)[last]
	(*slot)[s.dueAt].dueAt = s.dueAt
	(*slot)[last] = nil
	*slot = (*slot)[:last]
	s.due = 0
}

// turn moves the wheel to a time. It takes all subscribers that are due off the wheel and calls f with each, which may set another time.
func (w *wheel) turn(now time.Time, f func(*subscriber)) {
	to := w.at(now)
	for w.now < to {
		w.now++
		slot := &w.slots[w.now%wheelSlots]
		for n := len(*slot); n > 0; n = len(*slot) {
			s := (*slot)[n-1]
			w.clear(s)
			f(s)
		}
		if cap(*slot) > 1024 {
			*slot = nil
		}
	}
}
