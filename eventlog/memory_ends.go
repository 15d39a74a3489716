package eventlog

import (
	"cmp"
	"context"
	"slices"

	"github.com/tidings-sse/tidings/internal/queue"
)

// ends are the topics that have ended. An end outlives its record, which retention may remove, and the log's other state of the
// topic. A topic begins again with the first record after an expired end. Then the end holds again only after a cut has removed this record.
type ends struct {
	of    map[string]ending // the newest end or beginning of each topic
	order []*endings        // one per age
}

// ending is an end of a topic, or its beginning after an end.
type ending struct {
	name  string
	seq   uint64
	time  int64
	age   int64 // Rule.EndAge
	again bool  // it is a beginning
}

// endings are the ends with the same age, in order, so that those that have expired are at the front.
type endings struct {
	age   int64
	queue queue.Queue[ending]
}

// holds returns the number of the record that ended a topic for a record of this time, or 0.
func (e *ends) holds(name string, at int64) uint64 {
	if end, ok := e.of[name]; ok && !end.again && at-end.time <= end.age {
		return end.seq
	}
	return 0
}

// add notes a record that ends a topic, or begins it again after an expired end.
func (e *ends) add(t *topic, seq uint64, at int64, end bool) {
	if last, ok := e.of[t.name]; end || ok && !last.again {
		e.put(ending{t.name, seq, at, t.rule.EndAge().Milliseconds(), !end})
	}
}

func (e *ends) put(end ending) {
	e.of[end.name] = end
	for _, o := range e.order {
		if o.age == end.age {
			o.queue.Push(end)
			return
		}
	}
	o := &endings{age: end.age}
	o.queue.Push(end)
	e.order = append(e.order, o)
}

// forget removes the ends that have expired for all records from a time on, except those that expired within the last milliseconds.
func (e *ends) forget(at, last int64) {
	for _, o := range e.order {
		for all := o.queue.All(); len(all) > 0 && at-all[0].time > o.age+last; all = o.queue.All() {
			if old := o.queue.Pop(); e.of[old.name] == old {
				delete(e.of, old.name)
			}
		}
	}
}

// keep replaces the ends by those that f keeps, as f changes them.
func (e *ends) keep(f func(*ending) bool) {
	var all []ending
	for _, o := range e.order {
		all = append(all, o.queue.All()...)
	}
	slices.SortFunc(all, func(a, b ending) int { return cmp.Compare(a.seq, b.seq) })
	e.of, e.order = make(map[string]ending, len(e.of)), nil
	for _, end := range all {
		if f(&end) {
			e.put(end)
		}
	}
}

// End implements [Log].
func (m *Memory) End(ctx context.Context, topic string) (Position, error) {
	now := m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.endError(ctx); err != nil {
		return Position{}, err
	}
	if m.gen == "" {
		return Position{}, ErrNoGeneration
	}
	return m.end(topic, now), nil
}

// end returns the position of the record that ended a topic, as Append would find at this time of the clock.
func (m *Memory) end(topic string, now int64) Position {
	if seq := m.ends.holds(topic, max(now, m.last)); seq != 0 {
		return m.at(seq)
	}
	return Position{}
}
