package cluster

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Any clock may be wrong: that of a hub, and that of the shared log, which is often that of a hub, too. One clock that is a year ahead must
// neither trim records on its hub nor let all keys and ends expire. So the hubs tell each other what their clocks show, and each takes
// the middle one of theirs, its own, and that of the shared log. Of two in the middle it takes the earlier one, because keeping a
// record for too long harms less.
//
// The middle clock dates the records: each message says what it showed at its sender. It also gives records their age.
const (
	clockEvery  = 5 * time.Second  // hubs tell their clocks
	clockWithin = 30 * time.Second // and count the clocks that they have received within this time
)

// showing is the message of a hub about its clock.
type showing struct {
	Hub  string    `json:"hub"`
	Time time.Time `json:"time"`
}

// clocks are the clocks of other hubs.
type clocks struct {
	mu    sync.Mutex
	known map[string]shown // by hub
}

// shown is what a clock showed at a moment of this process.
type shown struct{ time, at time.Time }

// now returns what the clock shows now. It relies on the monotonic clock, which no step of the machine's clock changes.
func (s shown) now() time.Time { return s.time.Add(time.Since(s.at)) }

// learn notes what the broadcast of a hub says about its clock.
func (c *clocks) learn(data []byte) {
	var s showing
	if json.Unmarshal(data, &s) != nil || s.Hub == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tidy(); c.known == nil {
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

// others returns what the clocks of other hubs than this one show.
func (c *clocks) others(hub string) (all []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy()
	for name, s := range c.known {
		if name != hub {
			all = append(all, s.now())
		}
	}
	return all
}

// now returns the time of the middle clock. It is the beginning of time while only the hub's own clock is known.
func (l *Log) now() time.Time {
	all := append(l.clocks.others(l.o.Name), time.Now())
	if v, _ := l.look(); v.live {
		all = append(all, shown{v.newest, v.arrived}.now())
	}
	if len(all) == 1 {
		return time.UnixMilli(0)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all[(len(all)-1)/2]
}

// ticking tells the other hubs what this hub's clock shows.
func (l *Log) ticking() {
	ticker := time.NewTicker(clockEvery)
	defer ticker.Stop()
	for l.ctx.Err() == nil {
		if data, err := json.Marshal(showing{l.o.Name, time.Now().UTC()}); err == nil { // the clock may show a year that JSON does not have
			l.tell(l.ctx, append([]byte{broadcastClock}, data...))
		}
		select {
		case <-ticker.C:
		case <-l.ctx.Done():
		}
	}
}
