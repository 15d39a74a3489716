package eventlog

import (
	"math"
	"slices"
	"time"
)

// age is one of the ages up to which rules keep records. Times rise with numbers, so that each age goes through the log
// once, in order: its next record is the first that can be too old.
type age struct {
	limit int64  // in milliseconds
	done  uint64 // the record up to which it has gone
}

// ages returns the different ages of rules.
func ages(rules []Rule) (all []age) {
	for i := range rules {
		a := age{limit: limit(&rules[i])}
		if a.limit > 0 && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// limit returns the age of a rule. What is below a millisecond makes no difference between whole ones.
func limit(rule *Rule) int64 { return int64(rule.Age / time.Millisecond) }

// keep removes what the log does not keep beside a new record.
func (m *Memory) keep(r *stored) {
	for _, t := range r.topics {
		if age := limit(t.rule); age > 0 {
			m.due = min(m.due, r.Time.UnixMilli()+age)
		}
		n := t.live.Len()
		if t.end() != nil {
			n--
		}
		for ; t.rule.Count > 0 && n > t.rule.Count; n-- {
			m.trim(t)
		}
		for ; t.rule.Latest > 0 && n > t.rule.Latest; n-- {
			m.supersede(t)
		}
	}
	m.trimTotal()
	m.tidy()
}

// expire trims what is too old now.
func (m *Memory) expire(now int64) {
	if now <= m.due {
		return
	}
	m.due = math.MaxInt64
	for i := range m.ages {
		m.due = min(m.due, m.expireAt(&m.ages[i], now))
	}
	m.tidy()
}

// expireAt trims what is older than an age, where that is the rule, and returns up to when there is no more.
func (m *Memory) expireAt(a *age, now int64) (due int64) {
	for _, slot := range m.slotsAbove(a.done) {
		if r := slot.record; r != nil {
			for _, t := range r.topics {
				switch {
				case limit(t.rule) != a.limit || !t.has(r):
				case slot.time+a.limit >= now:
					return slot.time + a.limit
				default:
					m.trim(t) // r: what was before it is of the same age and has gone already
				}
			}
		}
		a.done = slot.seq
	}
	return math.MaxInt64
}

// trimTotal trims the oldest records as long as there are too many in all.
func (m *Memory) trimTotal() {
	for _, slot := range m.slotsAbove(m.full) {
		if (m.ret.Bytes == 0 || m.bytes <= m.ret.Bytes) && (m.ret.Events == 0 || m.events <= m.ret.Events) {
			break
		}
		if slot.record != nil {
			m.trimOldest(slot.record)
		}
		m.full = slot.seq
	}
}

// trimOldest trims a record in its topics, of each of which it is the oldest, but for reserved ones.
func (m *Memory) trimOldest(r *stored) {
	for _, t := range r.topics {
		if t.has(r) && !Reserved(t.name) {
			m.trim(t)
		}
	}
}

// trim takes the oldest record out of a topic, which a reader may miss.
func (m *Memory) trim(t *topic) {
	r := t.live.Pop()
	t.elsewhere.Push(r)
	m.trimmed = max(m.trimmed, r.Seq)
	m.leave(r)
	if t.live.Len() == 0 {
		m.bury(t)
	}
}

// supersede takes the oldest record out of a topic because of newer ones.
func (m *Memory) supersede(t *topic) {
	r := t.live.Pop()
	t.superseded = r.Seq
	m.leave(r)
}

// leave is called when a topic has a record no more, and removes the record if that was the last one.
func (m *Memory) leave(r *stored) {
	if r.live--; r.live > 0 {
		return
	}
	m.slotsAbove(r.Seq - 1)[0].record = nil
	m.count(r, -1)
	m.unlink(r)
	for _, t := range r.topics {
		if t.lose(r) {
			m.gone = max(m.gone, r.Seq)
		}
	}
}

// tidy drops the slots of records that are gone, those at the front, and all when they have become the greater part.
// It is not done while somebody goes through the slots.
func (m *Memory) tidy() {
	for slots := m.records.All(); len(slots) > 0 && slots[0].record == nil; slots = m.records.All() {
		m.records.Pop()
	}
	if int64(m.records.Len()) > 2*m.events {
		m.records.Retain(func(s slot) bool { return s.record != nil })
	}
}
