package eventlog

import (
	"iter"
	"sort"
)

// view has the topics and records that a selector finds in the log. It is used under the lock.
type view struct {
	*Memory
	selector Selector
	known    int      // how many of the selected names the log knows
	topics   []*topic // selected topics that the log knows
	listed   listed
	cost     int    // Selector.Cost
	stopped  uint64 // where records stopped searching early; 0: it did not
}

// listed says whether the topics of a view include those that matchers select.
type listed int

const (
	notYet listed = iota
	completely
	tooMany
)

// Limits of a search. Going to the next topic by name takes at least a quarter of a microsecond, four times as long as going to the
// next record. With these limits, appends wait at most ten milliseconds for a search.
const (
	maxWalk  = 1 << 15 // topics
	maxScan  = 1 << 16 // records
	perTopic = 4       // records
	aFew     = 2048    // records, which fill an answer if every second one matches
)

// view returns the view of a selector.
func (m *Memory) view(s Selector) *view {
	v := &view{Memory: m, selector: s, cost: s.Cost(), topics: make([]*topic, 0, len(s.names))}
	for _, name := range s.names {
		if t := m.topics[name]; t != nil {
			v.topics = append(v.topics, t)
		}
	}
	v.known = len(v.topics)
	if len(s.matchers) == 0 {
		v.listed = completely
	} else if s.All() {
		v.listed = tooMany
	}
	return v
}

// list adds the topics that matchers select, unless that was tried before. It returns false if it would have to look at more than
// most topics.
func (v *view) list(most int) bool {
	if v.listed != notYet {
		return v.listed == completely
	}
	v.listed = tooMany
	most /= v.cost
	for _, prefix := range v.selector.Prefixes() {
		for t := range v.names.with(prefix) {
			if most--; most < 0 {
				return false
			}
			if v.selector.Match(t.name) {
				v.topics = append(v.topics, t)
			}
		}
	}
	v.listed = completely
	return true
}

// records yields the records of the view after one number and before another: in order, or newest first if backwards.
//
// It scans the log or merges the records of the topics, depending on the cost. For matchers it first scans a few records. That is
// enough near the head, or if many records match. If too many records are left to search, it stops early and sets stopped, so
// that it does not hold the lock for long.
func (v *view) records(after, before uint64, backwards bool) iter.Seq[*stored] {
	slots := v.slotsAbove(after)
	slots = slots[:sort.Search(len(slots), func(i int) bool { return slots[i].seq >= before })]
	return func(yield func(*stored) bool) {
		rest := slots
		if len(v.selector.matchers) > 0 {
			var few []slot
			if few, rest = divide(slots, max(1, aFew/v.cost), backwards); !v.scan(few, backwards, yield) {
				return
			}
		}
		if v.list(min(len(rest)/perTopic, maxWalk)) && len(v.topics) <= len(rest) {
			v.merge(rest, backwards, yield)
			return
		}
		some, rest := divide(rest, max(1, maxScan/v.cost), backwards)
		if v.scan(some, backwards, yield) && len(rest) > 0 {
			last, _ := divide(some, 1, !backwards)
			v.stopped = last[0].seq
		}
	}
}

// divide returns the first n slots and the others.
func divide(slots []slot, n int, backwards bool) (some, rest []slot) {
	n = min(len(slots), n)
	if backwards {
		n = len(slots) - n
		return slots[n:], slots[:n]
	}
	return slots[:n], slots[n:]
}

// scan yields the records of the view in slots. It returns false if the reader has enough.
func (v *view) scan(slots []slot, backwards bool, yield func(*stored) bool) bool {
	for i := range slots {
		if backwards {
			i = len(slots) - 1 - i
		}
		if r := slots[i].record; r != nil && r.found(v.selector) && !yield(r) {
			return false
		}
	}
	return true
}

// merge yields the records of the topics within the range of slots.
func (v *view) merge(slots []slot, backwards bool, yield func(*stored) bool) {
	if len(slots) == 0 {
		return
	}
	first, last := slots[0].seq, slots[len(slots)-1].seq
	m := merge{backwards: backwards}
	for _, t := range v.topics {
		run := above(t.live.All(), first-1)
		run = run[:len(run)-len(above(run, last))]
		if len(run) > 0 {
			m.runs = append(m.runs, run)
		}
	}
	m.all(yield)
}
