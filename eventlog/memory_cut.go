package eventlog

import (
	"sort"
	"time"

	"github.com/tidings-sse/tidings/internal/queue"
)

// cut removes everything after a sequence number.
func (m *Memory) cut(after uint64) {
	newer := m.slotsAbove(after)
	for _, slot := range newer {
		if slot.record != nil {
			m.count(slot.record, -1)
			m.unlink(slot.record)
		}
	}
	m.records.Truncate(m.records.Len() - len(newer))
	m.cutTimes(after)
	m.keys.cut(after)
	m.ends.keep(func(end *ending) bool { return end.seq <= after })
	for i := range m.ages {
		m.ages[i].done = min(m.ages[i].done, after)
	}
	m.full = min(m.full, after)
	for len(m.holes) > 0 && m.holes[len(m.holes)-1].from >= after {
		m.holes = m.holes[:len(m.holes)-1]
	}
	if n := len(m.holes); n > 0 {
		m.holes[n-1].to = min(m.holes[n-1].to, after)
	}
	m.cutTopics(after)
}

// noteTime notes the time of a new record. Retention may remove the record, and the time still counts: later ones are not before it.
func (m *Memory) noteTime(seq uint64, ms int64) {
	if !m.mirror || m.times.Len() > 0 && ms == m.last {
		return
	}
	m.times.Push(slot{seq: seq, time: ms})
	for all := m.times.All(); len(all) > 1 && ms-all[1].time > undo; all = m.times.All() {
		m.times.Pop()
	}
}

// cutTimes restores the time of the newest record as it was at a number: in a mirror to the time that was noted, otherwise to that of the
// newest remaining record. If none is left, a mirror continues like one that never had a record. In another log the time stays: times never
// decrease.
func (m *Memory) cutTimes(after uint64) {
	times := m.times.All()
	n := sort.Search(len(times), func(i int) bool { return times[i].seq > after })
	m.times.Truncate(n)
	slots := m.records.All()
	switch {
	case n > 0:
		m.last = times[n-1].time
	case len(slots) > 0:
		m.last = slots[len(slots)-1].time
	case m.mirror:
		m.last = time.Time{}.UnixMilli()
	}
}

func (m *Memory) cutTopics(after uint64) {
	m.trimmed, m.gone, m.floor = min(m.trimmed, after), min(m.gone, after), min(m.floor, after)
	var empty []*topic
	for _, t := range m.topics {
		if t.last > after {
			t.cut(after)
			m.trimmed, m.gone = max(m.trimmed, t.lost), max(m.gone, t.lost)
		}
		if t.live.Len() == 0 {
			empty = append(empty, t)
		}
	}
	m.dead, m.deadBytes = nil, 0 // rebuilt below, in the new order
	for _, t := range empty {
		if t.deadIndex = 0; t.last > 0 {
			m.rememberDead(t)
		} else {
			m.forget(t) // it did not exist before the cut
		}
	}
	m.tidy()
}

// cut removes a topic's records after a number. Only the newest numbers of its lost and of its superseded records are known.
// If such a number is after the cut, any record up to the cut may be missing. Then the topic counts as having lost records
// right up to the cut.
func (t *topic) cut(after uint64) {
	for _, r := range above(t.live.All(), after) {
		t.bytes -= int64(r.Size())
	}
	for _, q := range []*queue.Queue[*stored]{&t.live, &t.elsewhere} {
		q.Truncate(q.Len() - len(above(q.All(), after)))
	}
	t.lost = max(min(t.lost, after), min(t.superseded, after))
	t.superseded = 0
	for all := t.elsewhere.All(); len(all) > 0 && all[0].Seq <= t.lost; all = t.elsewhere.All() {
		t.elsewhere.Pop()
	}
	t.last = t.lost
	for _, all := range [][]*stored{t.elsewhere.All(), t.live.All()} {
		if len(all) > 0 {
			t.last = max(t.last, all[len(all)-1].Seq)
		}
	}
}
