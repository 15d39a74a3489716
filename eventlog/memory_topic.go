package eventlog

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/tidings-sse/tidings/internal/queue"
)

// topic is what the log knows of a topic.
//
// Records leave it as they have come, oldest first, whatever the reason: so what it has of its records is always the
// newest of them, and an end, which count leaves alone, is the last.
type topic struct {
	name string
	rule *Rule
	live queue.Queue[*stored] // what readers find under this name
	last uint64               // the newest record it ever had

	// What it lost by trimming. A reader has missed a record only if none of its other topics had it for him: therefore
	// lost is the newest that is nowhere any more, and elsewhere are those after it that other topics still have.
	lost      uint64
	elsewhere queue.Queue[*stored]

	superseded uint64 // the newest that latest has removed

	grave       int    // place in the graveyard, from 1
	left, right *topic // in the tree of names
	weight      uint32
}

// topic returns the topic of a name for a record that is coming, and begins it if there was none.
func (m *Memory) topic(name string) *topic {
	t := m.topics[name]
	if t == nil {
		// A dead topic that was forgotten may have had this name. Its records were not after the floor.
		t = &topic{rule: m.ret.Rule(name), lost: m.floor, weight: rand.Uint32()}
		t.name = strings.Clone(name) // it may stay for longer than the request that name is a part of
		m.topics[t.name] = t
		m.names = m.names.insert(t)
	}
	if t.grave > 0 {
		heap.Remove(&m.dead, t.grave-1)
		m.buried -= DeadTopicSize(name)
	}
	return t
}

// has reports whether a record of the topic is still found under its name.
func (t *topic) has(r *stored) bool {
	live := t.live.All()
	return len(live) > 0 && live[0].Seq <= r.Seq
}

// end returns the record that has ended the topic, or nil.
func (t *topic) end() *stored {
	if live := t.live.All(); len(live) > 0 && live[len(live)-1].Flags&End != 0 {
		return live[len(live)-1]
	}
	return nil
}

// lose is told that a record is nowhere any more. It reports whether the topic has lost it by trimming.
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

// above returns those of records in order that have numbers above seq.
func above(records []*stored, seq uint64) []*stored {
	return records[sort.Search(len(records), func(i int) bool { return records[i].Seq > seq }):]
}

// slotsAbove is above for the whole log.
func (m *Memory) slotsAbove(seq uint64) []slot {
	slots := m.records.All()
	return slots[sort.Search(len(slots), func(i int) bool { return slots[i].seq > seq }):]
}

// found reports whether s finds the record under one of its topics, the filter aside.
func (r *stored) found(s Selector) bool {
	return slices.ContainsFunc(r.topics, func(t *topic) bool { return t.has(r) && s.Match(t.name) })
}

// bury remembers a topic that has no record any more, and forgets others when there are too many. Those whose
// last record is the oldest go first, which raises the floor the least.
func (m *Memory) bury(t *topic) {
	t.live = queue.Queue[*stored]{}
	heap.Push(&m.dead, t)
	m.buried += DeadTopicSize(t.name)
	for !m.ret.Remembers(int64(len(m.dead)), m.buried) {
		t := heap.Pop(&m.dead).(*topic)
		m.buried -= DeadTopicSize(t.name)
		m.floor = max(m.floor, t.last)
		m.forget(t)
	}
}

func (m *Memory) forget(t *topic) {
	t.elsewhere = queue.Queue[*stored]{} // records that are there still refer to t
	delete(m.topics, t.name)
	m.names = m.names.remove(t.name)
}

// graveyard is a heap of the dead topics, by their last record, and by name if they have died with the same one: mirrors
// of a log shall forget the same topics.
type graveyard []*topic

func (g graveyard) Len() int { return len(g) }

func (g graveyard) Less(i, j int) bool {
	return g[i].last < g[j].last || g[i].last == g[j].last && g[i].name < g[j].name
}

func (g graveyard) Swap(i, j int) {
	g[i], g[j] = g[j], g[i]
	g[i].grave, g[j].grave = i+1, j+1
}

func (g *graveyard) Push(t any) {
	*g = append(*g, t.(*topic))
	(*g)[len(*g)-1].grave = len(*g)
}

func (g *graveyard) Pop() any {
	last := len(*g) - 1
	t := (*g)[last]
	(*g)[last], t.grave = nil, 0
	*g = (*g)[:last]
	return t
}
