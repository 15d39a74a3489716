package eventlog

import (
	"math"
	"slices"
	"time"
)

// age is one of the ages by which rules trim. Times rise with sequence numbers, so that one pass through the log per age is
// enough: done never moves back, except when records are dropped.
type age struct {
	limit int64  // in milliseconds
	done  uint64 // the record up to which this age was applied
}

// ages returns the different ages of the rules.
func ages(rules []Rule) (all []age) {
	for i := range rules {
		a := age{limit: limit(&rules[i])}
		if a.limit > 0 && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// limit returns the age of a rule in milliseconds.
func limit(rule *Rule) int64 { return int64(rule.Age / time.Millisecond) }

// keep applies the limits that a new record may have exceeded.
func (m *Memory) keep(r *stored) {
	for _, t := range r.topics {
		if age := limit(t.rule); age > 0 {
			m.due = min(m.due, r.Time.UnixMilli()+age)
		}
		m.keepNewest(t)
	}
	m.trimTotal()
	m.tidy()
}

// keepNewest applies Count and Latest to a topic.
func (m *Memory) keepNewest(t *topic) {
	n := t.live.Len()
	if t.lastEnds() {
		n--
	}
	for ; t.rule.Count > 0 && n > t.rule.Count; n-- {
		m.trim(t)
	}
	for ; t.rule.Latest > 0 && n > t.rule.Latest; n-- {
		m.supersede(t)
	}
}

// expire trims the records that are too old.
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

// expireAt trims records of topics with one age, and returns the time when the next record becomes too old.
func (m *Memory) expireAt(a *age, now int64) (due int64) {
	for _, slot := range m.slotsAbove(a.done) {
		if r := slot.record; r != nil {
			for _, t := range r.topics {
				switch {
				case limit(t.rule) != a.limit || !t.has(r):
				case slot.time+a.limit >= now:
					return slot.time + a.limit
				default:
					m.trim(t) // r, because older records of the topic are trimmed already
				}
			}
		}
		a.done = slot.seq
	}
	return math.MaxInt64
}

// trimTotal trims the oldest records until the limits of the whole log hold.
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

// trimOldest trims the oldest record of the log from its topics, except reserved ones. It is the oldest in each of them.
func (m *Memory) trimOldest(r *stored) {
	for _, t := range r.topics {
		if t.has(r) && !Reserved(t.name) {
			m.trim(t)
		}
	}
}

// trim removes the oldest record from a topic. Readers may miss it.
func (m *Memory) trim(t *topic) {
	r := t.live.Pop()
	t.bytes -= int64(r.Size())
	t.elsewhere.Push(r)
	m.trimmed = max(m.trimmed, r.Seq)
	m.leave(r)
	if t.live.Len() == 0 {
		m.rememberDead(t)
	}
}

// supersede removes the oldest record from a topic because newer ones replace it. Readers do not miss it.
func (m *Memory) supersede(t *topic) {
	r := t.live.Pop()
	t.bytes -= int64(r.Size())
	t.superseded = r.Seq
	m.leave(r)
}

// leave is called when a topic no longer has a record. It removes the record if no other topic has it.
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

// tidy drops the empty slots at the front, and all empty slots once they are the majority. Do not call it during an iteration
// over the slots.
func (m *Memory) tidy() {
	for slots := m.records.All(); len(slots) > 0 && slots[0].record == nil; slots = m.records.All() {
		m.records.Pop()
	}
	if int64(m.records.Len()) > 2*m.events {
		m.records.Retain(func(s slot) bool { return s.record != nil })
	}
}
