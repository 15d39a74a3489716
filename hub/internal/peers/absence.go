package peers

import (
	"cmp"
	"slices"
	"time"
)

// Change says that a hub has gone, or that it is back.
type Change struct {
	Hub  Hub           // as it last announced itself
	Gone bool          // false: it is back
	Left bool          // it had stopped, and said so
	Away time.Duration // since its last announcement before it went
}

// absence is a hub that was heard of, and is gone.
type absence struct {
	hub   Hub
	heard time.Time // when it last announced itself
	left  bool      // it said that it stops
	told  bool      // Changes has returned it
}

// absences are the hubs that are gone, and those that are back. The zero value has none.
type absences struct {
	byName map[string]absence
	back   []Change  // since the last call of Changes; hubs whose absence it did not return are not among them
	looked time.Time // when Changes was called last
	since  time.Time // since when Changes has been called regularly
}

// add notes that a hub is gone.
func (a *absences) add(h heard, left bool) {
	if len(a.byName) >= maxHubs {
		return
	}
	if a.byName == nil {
		a.byName = make(map[string]absence)
	}
	a.byName[h.hub.Name] = absence{hub: h.hub, heard: h.at, left: left}
}

// end notes that a hub has announced itself.
func (a *absences) end(hub *Hub, now time.Time) {
	was, ok := a.byName[hub.Name]
	if !ok {
		return
	}
	delete(a.byName, hub.Name)
	if was.told {
		a.back = append(a.back, Change{Hub: *hub, Left: was.left, Away: now.Sub(was.heard)})
	}
}

// Changes returns the hubs that have gone or come back since the last call, each change once, and the names of all hubs that are gone. Call it every
// [Interval].
//
// A hub that says that it stops is gone at once, and any other one when it was silent for [Expiry]. If this process was suspended, it has heard nobody
// meanwhile, so the calls must have been regular for as long.
func (t *Table) Changes(now time.Time) (changes []Change, gone []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	a := &t.absent
	if now.Sub(a.looked) > Expiry/2 {
		a.since = now
	}
	a.looked = now
	changes, a.back = a.back, nil
	for name, one := range a.byName {
		if !one.left && now.Sub(a.since) < Expiry {
			continue
		}
		gone = append(gone, name)
		if !one.told {
			one.told = true
			a.byName[name] = one
			changes = append(changes, Change{Hub: one.hub, Gone: true, Left: one.left, Away: now.Sub(one.heard)})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Hub.Name, b.Hub.Name) })
	slices.Sort(gone)
	return changes, gone
}
