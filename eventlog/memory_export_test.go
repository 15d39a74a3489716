package eventlog

import (
	"context"
	"fmt"
)

// Held is the number of entries in the tables of a Memory.
type Held struct{ Topics, Records, Keys, IDs int }

// Held returns the sizes of the log's tables.
func (m *Memory) Held() Held {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Held{len(m.topics), cap(m.records.All()), len(m.keys.known) + m.keys.order.Len(), len(m.ids)}
}

// CheckInvariants returns an error if the tables of the log contradict each other.
func (m *Memory) CheckInvariants() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	events, bytes := int64(0), int64(0)
	for _, slot := range m.records.All() {
		r := slot.record
		if r == nil {
			continue
		}
		live := 0
		for _, t := range r.topics {
			if t.has(r) {
				live++
				if newer := above(t.live.All(), r.Seq-1); len(newer) == 0 || newer[0] != r {
					return fmt.Errorf("record %d is not in %q", r.Seq, t.name)
				}
			}
		}
		if live != r.live || live == 0 {
			return fmt.Errorf("record %d is in %d topics, and counts %d", r.Seq, live, r.live)
		}
		events, bytes = events+1, bytes+int64(r.Size())
	}
	if events != m.events || bytes != m.bytes {
		return fmt.Errorf("%d records of %d bytes, counted %d of %d", events, bytes, m.events, m.bytes)
	}
	names := ""
	n := 0
	for t := range m.names.with("") {
		if err := m.checkTopic(t); err != nil {
			return fmt.Errorf("topic %q: %w", t.name, err)
		}
		if t.name <= names {
			return fmt.Errorf("topic %q is behind %q", t.name, names)
		}
		names = t.name
		n++
	}
	if n != len(m.topics) {
		return fmt.Errorf("%d topics in the tree, %d in the map", n, len(m.topics))
	}
	return nil
}

func (m *Memory) checkTopic(t *topic) error {
	live, elsewhere := t.live.All(), t.elsewhere.All()
	switch {
	case m.topics[t.name] != t:
		return fmt.Errorf("the topic is not in the map")
	case len(live) == 0 != (t.deadIndex > 0):
		return fmt.Errorf("%d records, and index %d in the heap of dead topics", len(live), t.deadIndex)
	case t.deadIndex > 0 && m.dead[t.deadIndex-1] != t:
		return fmt.Errorf("its index in the heap of dead topics is that of another topic")
	case t.lost > m.trimmed:
		return fmt.Errorf("the topic lost %d, the log only %d", t.lost, m.trimmed)
	case len(elsewhere) > 0 && (elsewhere[0].Seq <= t.lost || elsewhere[len(elsewhere)-1].Seq > m.trimmed):
		return fmt.Errorf("elsewhere from %d to %d, lost %d", elsewhere[0].Seq, elsewhere[len(elsewhere)-1].Seq, t.lost)
	}
	for _, r := range elsewhere {
		if r.live == 0 || t.has(r) {
			return fmt.Errorf("record %d is not elsewhere", r.Seq)
		}
	}
	return nil
}

// Page returns the position up to which one page of a Read is complete.
func (m *Memory) Page(ctx context.Context, q Query) (Position, error) {
	p, err := m.page(ctx, q.WithDefaults())
	return Position{p.gen, p.upTo}, err
}
