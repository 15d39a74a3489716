package cluster

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

// Any clock may be wrong: that of a hub, and that of the shared log, which is often that of a hub, too. One clock that is a year ahead must
// neither trim records on its hub nor let all keys and ends expire. So the hubs tell each other what their clocks show, and each takes
// the median of theirs and its own: the lower one of an even number, because keeping a record for too long harms less. The
// clock of the shared log counts only for a hub that hears no other one: it may be a second vote of the hub that leads.
//
// This *median clock* dates the records: each message says what it showed at its sender. It also gives records their age.
const (
	clockEvery  = 5 * time.Second        // hubs tell their clocks
	clockWithin = 30 * time.Second       // and count the clocks that they have received within this time
	clockPause  = 100 * time.Millisecond // between two answers to hubs that ask
)

// showing is the message of a hub about its clock.
type showing struct {
	Hub  string    `json:"hub"`
	Time time.Time `json:"time"`
	Ask  bool      `json:"ask,omitzero"` // the hub knows no other clock, and wants to know the others now
}

// clocks are the clocks of other hubs.
type clocks struct {
	mu    sync.Mutex
	known map[string]shown // by hub

	asked chan struct{} // has a value after another hub has asked
}

// shown is what a clock showed at a moment of this process.
type shown struct{ time, at time.Time }

// now returns what the clock shows now. It relies on the monotonic clock, which no step of the machine's clock changes.
func (s shown) now() time.Time { return s.time.Add(time.Since(s.at)) }

// learn notes what the broadcast of a hub says about its clock. self is the name of this hub.
func (c *clocks) learn(data []byte, self string) {
	var s showing
	if json.Unmarshal(data, &s) != nil || s.Hub == "" || s.Hub == self {
		return
	}
	if s.Ask {
		select {
		case c.asked <- struct{}{}:
		default: // an answer is due already
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy()
	if _, ok := c.known[s.Hub]; !ok && len(c.known) >= mostHubs {
		return
	}
	if c.known == nil {
		c.known = map[string]shown{}
	}
	c.known[s.Hub] = shown{s.Time, time.Now()}
}

// tidy forgets the clocks that were not received lately.
func (c *clocks) tidy() {
	for hub, s := range c.known {
		if time.Since(s.at) > clockWithin {
			delete(c.known, hub)
		}
	}
}

// names returns the names of the other hubs that have told their clocks lately.
func (c *clocks) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy()
	return slices.Sorted(maps.Keys(c.known))
}

// others appends to all what the clocks of the other hubs show.
func (c *clocks) others(all []time.Time) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy()
	for _, s := range c.known {
		all = append(all, s.now())
	}
	return all
}

// now returns the time of the median clock. While no other clock is known, it returns the Unix epoch, so that nothing is trimmed by age. The clock of
// the shared log counts as another one only for a hub that knows of no others: a hub that has others may lead, and then both are the same clock.
func (l *Log) now() time.Time {
	all := append(l.clocks.others(make([]time.Time, 0, 8)), time.Now()) // on the stack: every read asks
	if len(all) == 1 && l.o.Hubs <= 1 {
		if v, _ := l.look(); v.live {
			all = append(all, shown{v.newest, v.arrived}.now())
		}
	}
	if len(all) == 1 {
		return time.UnixMilli(0)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all[(len(all)-1)/2]
}

// date returns the time of the median clock for a message, in milliseconds. It is that of the hub's own clock while no other one is known: the time of
// its records is the earlier one of this and the shared log's, so that both would have to be ahead.
func (l *Log) date() int64 {
	if at := l.now().UnixMilli(); at > 0 {
		return at
	}
	return time.Now().UnixMilli()
}

// ticking tells the other hubs what this hub's clock shows.
func (l *Log) ticking() {
	ticker := time.NewTicker(clockEvery)
	defer ticker.Stop()
	for l.ctx.Err() == nil {
		if data, err := json.Marshal(showing{l.o.Name, time.Now().UTC(), len(l.clocks.others(nil)) == 0}); err == nil { // the clock may show a year that JSON does not have
			l.tell(l.ctx, append([]byte{broadcastClock}, data...))
		}
		select {
		case <-ticker.C:
		case <-l.clocks.asked:
			select {
			case <-time.After(clockPause):
			case <-l.ctx.Done():
			}
		case <-l.ctx.Done():
		}
	}
}
