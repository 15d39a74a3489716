package eventlog

import (
	"iter"
	"sort"
)

// view is what a selector finds in the log. It is made and used under the lock.
type view struct {
	*Memory
	selector Selector
	known    int      // names that the log knows
	topics   []*topic // what is selected of the topics that the log knows
	listed   listed
	cost     int    // of the selector
	stopped  uint64 // the number at which going through the log was stopped, if it was
}

// listed says whether the topics of a view have those that matchers select.
type listed int

const (
	notYet listed = iota
	completely
	tooMany
)

// Numbers that could be others. Going to the next topic by name takes a quarter of a microsecond or more, and four times as
// long as going to the next record. The longest walk and the longest scan take ten milliseconds, during which nobody can
// append.
const (
	maxWalk  = 1 << 15 // topics
	maxScan  = 1 << 16 // records
	perTopic = 4       // records
	aFew     = 2048    // records: what fills an answer if every second one matches
)

// view returns what a selector finds.
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

// list adds the topics that matchers select, if that was not tried before. It returns false if there are more than so many
// to look at, matching or not.
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

// records yields what is found after one number and before another, in order or, backwards, newest first.
//
// It goes through the log or merges what the topics have, whatever is less. For matchers, it first goes through a
// few records: near the head there are not more, and where many match the reader has enough. If much remains
// to go through, it stops somewhere, so that the lock is not held for long, and says where.
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

// divide returns the n slots that come first, if there are so many, and the others.
func divide(slots []slot, n int, backwards bool) (some, rest []slot) {
	n = min(len(slots), n)
	if backwards {
		n = len(slots) - n
		return slots[n:], slots[:n]
	}
	return slots[:n], slots[n:]
}

// scan yields what is found in slots. It returns false if the reader has enough.
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

// merge yields what the topics have in the range of slots.
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
