package eventlog

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/tidings-sse/tidings/internal/queue"
)

// topic is the log's state of a topic.
//
// Records leave a topic oldest first, whatever the reason. So a topic always keeps its newest records.
type topic struct {
	name  string
	rule  *Rule
	live  queue.Queue[*stored] // its records, as readers find them
	bytes int64                // their size
	last  uint64               // its newest record ever

	// The records that the topic lost to trimming. A reader misses a record only if no other selected topic has it. So lost is the newest
	// record that no topic has any more, and elsewhere are later records that other topics still have.
	lost      uint64
	elsewhere queue.Queue[*stored]

	superseded uint64 // the newest record that Latest removed

	deadIndex   int    // index in the heap of dead topics, from 1; 0: not dead
	left, right *topic // in the tree of names
	weight      uint32
}

// topic returns the topic of a new record, and creates it if needed.
func (m *Memory) topic(name string) *topic {
	t := m.topics[name]
	if t == nil {
		// A dead topic of this name may have been forgotten. Its records were not after the floor.
		t = &topic{rule: m.ret.Rule(name), lost: m.floor, weight: rand.Uint32()}
		t.name = strings.Clone(name) // name may be part of a whole request
		m.topics[t.name] = t
		m.names = m.names.insert(t)
	}
	if t.deadIndex > 0 {
		heap.Remove(&m.dead, t.deadIndex-1)
		m.deadBytes -= DeadTopicSize(name)
	}
	return t
}

// has reports whether readers find a record under this topic.
func (t *topic) has(r *stored) bool {
	live := t.live.All()
	return len(live) > 0 && live[0].Seq <= r.Seq
}

// lastEnds reports whether the newest record ends the topic. Such a record is not counted by Count and Latest.
func (t *topic) lastEnds() bool {
	live := t.live.All()
	return len(live) > 0 && live[len(live)-1].Flags&End != 0
}

// lose is called when no topic has a record any more. It reports whether this topic lost the record to trimming.
func (t *topic) lose(r *stored) bool {
	all := t.elsewhere.All()
	i := len(all) - len(above(all, r.Seq)) - 1
	if i < 0 || all[i] != r {
		return false
	}
	t.lost = r.Seq
	for range i + 1 {
		t.elsewhere.Pop()
	}
	return true
}

// above returns those of sorted records that have numbers above seq.
func above(records []*stored, seq uint64) []*stored {
	return records[sort.Search(len(records), func(i int) bool { return records[i].Seq > seq }):]
}

// slotsAbove returns the slots with numbers above seq.
func (m *Memory) slotsAbove(seq uint64) []slot {
	slots := m.records.All()
	return slots[sort.Search(len(slots), func(i int) bool { return slots[i].seq > seq }):]
}

// found reports whether s finds the record under one of its topics, before the filter.
func (r *stored) found(s Selector) bool {
	return slices.ContainsFunc(r.topics, func(t *topic) bool { return t.has(r) && s.Match(t.name) })
}

// rememberDead remembers a topic that has no records any more, unless the floor covers it.
func (m *Memory) rememberDead(t *topic) {
	t.live, t.bytes = queue.Queue[*stored]{}, 0
	heap.Push(&m.dead, t)
	m.deadBytes += DeadTopicSize(t.name)
	m.forgetDead()
}

// forgetDead forgets dead topics if there are too many: those with the oldest last record, because that raises the floor the least. It also
// forgets those that the floor covers. Otherwise it would depend on the order in which topics died whether one of them is remembered.
func (m *Memory) forgetDead() {
	for len(m.dead) > 0 && (m.dead[0].last <= m.floor || !m.ret.Remembers(int64(len(m.dead)), m.deadBytes)) {
		t := heap.Pop(&m.dead).(*topic)
		m.deadBytes -= DeadTopicSize(t.name)
		m.floor = max(m.floor, t.last)
		m.forget(t)
	}
}

func (m *Memory) forget(t *topic) {
	t.elsewhere = queue.Queue[*stored]{} // existing records still refer to t
	delete(m.topics, t.name)
	m.names = m.names.remove(t.name)
}

// deadHeap is a heap of the dead topics by their last record, then by name, so that mirrors forget the same topics.
type deadHeap []*topic

func (g deadHeap) Len() int { return len(g) }

func (g deadHeap) Less(i, j int) bool {
	return g[i].last < g[j].last || g[i].last == g[j].last && g[i].name < g[j].name
}

func (g deadHeap) Swap(i, j int) {
	g[i], g[j] = g[j], g[i]
	g[i].deadIndex, g[j].deadIndex = i+1, j+1
}

func (g *deadHeap) Push(t any) {
	*g = append(*g, t.(*topic))
	(*g)[len(*g)-1].deadIndex = len(*g)
}

func (g *deadHeap) Pop() any {
	last := len(*g) - 1
	t := (*g)[last]
	(*g)[last], t.deadIndex = nil, 0
	*g = (*g)[:last]
	return t
}
