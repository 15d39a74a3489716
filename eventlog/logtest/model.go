package logtest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// model is a simple log that forgets nothing. It keeps every record and its state in each topic, and implements the sentences of
// the contract one by one, without regard to speed.
type model struct {
	mirror      bool
	ret         eventlog.Retention
	gen         string
	head        uint64
	last        time.Time
	records     []*modelRecord
	topics      map[string]*modelTopic // known ones
	floor       uint64
	hole        uint64         // the end of the last hole
	uses        []*modelRecord // of keys, in order
	expiredEnds map[endOf]bool // ends that had expired when the rules changed
}

// endOf is the end of one topic by a record.
type endOf struct {
	topic string
	seq   uint64
}

type modelRecord struct {
	eventlog.Record
	state []state // per topic
}

type modelTopic struct {
	base uint64 // the floor when the topic became known
	born uint64 // its first record since then
}

type state int

const (
	live state = iota
	trimmed
	superseded
)

// newModel returns an empty model. The defaults of r must be filled in.
func newModel(gen string, r eventlog.Retention) *model {
	return &model{ret: r, gen: gen, topics: map[string]*modelTopic{}, expiredEnds: map[endOf]bool{}}
}

func (r *modelRecord) lives() bool { return slices.Contains(r.state, live) }

// in returns the state of a record in a topic, and whether the record was in it since the topic became known.
func (m *model) in(r *modelRecord, topic string) (state, bool) {
	t, i := m.topics[topic], slices.Index(r.Topics, topic)
	if t == nil || i < 0 || r.Seq < t.born {
		return 0, false
	}
	return r.state[i], true
}

func (m *model) of(topic string, s state) (found []*modelRecord) {
	for _, r := range m.records {
		if got, ok := m.in(r, topic); ok && got == s {
			found = append(found, r)
		}
	}
	return found
}

func (m *model) found(r *modelRecord, s eventlog.Selector) bool {
	return slices.ContainsFunc(r.Topics, func(topic string) bool {
		got, ok := m.in(r, topic)
		return ok && got == live && s.Match(topic)
	})
}

func (m *model) expire(now time.Time) {
	for _, r := range slices.Clone(m.records) {
		for i, topic := range r.Topics {
			age := m.ret.Rule(topic).Age
			if r.state[i] == live && age > 0 && now.Sub(r.Time) > age {
				m.remove(r, topic, trimmed)
			}
		}
	}
}

// remove removes a record from a topic.
func (m *model) remove(r *modelRecord, topic string, s state) {
	r.state[slices.Index(r.Topics, topic)] = s
	m.forget()
}

// forget forgets topics if too many are dead, and those that the floor covers.
func (m *model) forget() {
	for dead, size := m.dead(); len(dead) > 0; dead, size = m.dead() {
		oldest := slices.MinFunc(dead, func(a, b string) int {
			return cmp.Or(cmp.Compare(m.lastOf(a), m.lastOf(b)), cmp.Compare(a, b))
		})
		last := m.lastOf(oldest)
		if last > m.floor && m.ret.Remembers(int64(len(dead)), size) {
			break
		}
		m.floor = max(m.floor, last)
		delete(m.topics, oldest)
	}
}

// dead returns the topics without records, and their total size.
func (m *model) dead() (topics []string, size int64) {
	for name := range m.topics {
		if len(m.of(name, live)) == 0 {
			topics = append(topics, name)
			size += eventlog.DeadTopicSize(name)
		}
	}
	return topics, size
}

func (m *model) lastOf(topic string) (last uint64) {
	for _, r := range m.records {
		if slices.Contains(r.Topics, topic) {
			last = r.Seq
		}
	}
	return last
}

// decide returns the receipt of a record that would be stored at seq, after the pending records, or why it is refused.
func (m *model) decide(r *eventlog.Record, seq uint64, at time.Time, pending []*modelRecord) (_ eventlog.Receipt, refused error) {
	uses := m.uses
	for _, p := range pending {
		if p.Key != "" {
			uses = append(uses[:len(uses):len(uses)], p)
		}
	}
	for i, use := range slices.Backward(uses) {
		if r.Key == "" || use.Key != r.Key || use.Topics[0] != r.Topics[0] {
			continue
		}
		if len(uses)-1-i >= m.ret.Keys || at.Sub(use.Time) > m.ret.KeyAge {
			break
		}
		first := eventlog.Position{Gen: m.gen, Seq: use.Seq}
		if string(use.AppendTo(nil)) != string(r.AppendTo(nil)) {
			return eventlog.Receipt{}, &eventlog.KeyError{Topic: r.Topics[0], Key: r.Key, First: first}
		}
		return eventlog.Receipt{Position: first, Time: use.Time, Duplicate: true}, nil
	}
	for _, topic := range r.Topics {
		if end := m.end(topic, at, pending); end != 0 {
			return eventlog.Receipt{}, &eventlog.EndedError{Topic: topic, End: eventlog.Position{Gen: m.gen, Seq: end}}
		}
	}
	return eventlog.Receipt{Position: eventlog.Position{Gen: m.gen, Seq: seq}, Time: at}, nil
}

// end returns the number of the record that ended a topic for records of a time, or 0.
func (m *model) end(topic string, at time.Time, pending []*modelRecord) (seq uint64) {
	for _, r := range slices.Concat(m.records, pending) {
		if !slices.Contains(r.Topics, topic) {
			continue
		}
		seq = 0 // a later record begins the topic again
		if r.Flags&eventlog.End != 0 && !m.expiredEnds[endOf{topic, r.Seq}] && at.Sub(r.Time) <= m.ret.Rule(topic).EndAge() {
			seq = r.Seq
		}
	}
	return seq
}

// append is Append at this time of the clock.
func (m *model) append(now time.Time, records []eventlog.Record) ([]eventlog.Receipt, error) {
	m.expire(now)
	return m.add(now, m.head, records)
}

// apply is Apply of one batch.
func (m *model) apply(now time.Time, b eventlog.Batch) (o eventlog.Outcome) {
	m.expire(now)
	o.Receipts, o.Err = m.add(b.Time, b.First-1, b.Records)
	m.head = b.First + uint64(len(b.Records)) - 1
	return o
}

func (m *model) add(at time.Time, after uint64, records []eventlog.Record) ([]eventlog.Receipt, error) {
	if at.Before(m.last) {
		at = m.last
	}
	var receipts []eventlog.Receipt
	var pending []*modelRecord
	for i := range records {
		seq := after + uint64(len(pending)) + 1
		receipt, refused := m.decide(&records[i], seq, at, pending)
		if refused != nil {
			return nil, &eventlog.RecordError{Index: i, Err: refused}
		}
		if receipts = append(receipts, receipt); !receipt.Duplicate {
			pending = append(pending, newModelRecord(records[i], seq, at))
		}
	}
	for _, r := range pending {
		m.store(r)
	}
	return receipts, nil
}

func newModelRecord(r eventlog.Record, seq uint64, at time.Time) *modelRecord {
	r.Seq, r.Time = seq, at
	return &modelRecord{Record: r, state: make([]state, len(r.Topics))}
}

func (m *model) store(r *modelRecord) {
	m.records = append(m.records, r)
	m.head, m.last = r.Seq, r.Time
	if r.Key != "" {
		m.uses = append(m.uses, r)
	}
	for _, topic := range r.Topics {
		if m.topics[topic] == nil {
			m.topics[topic] = &modelTopic{base: m.floor, born: r.Seq}
		}
	}
	for _, topic := range r.Topics {
		m.keepNewest(topic)
	}
	m.keepTotal()
}

// keepNewest applies Count and Latest to a topic.
func (m *model) keepNewest(topic string) {
	rule, counted := m.ret.Rule(topic), m.of(topic, live)
	if n := len(counted); n > 0 && counted[n-1].Flags&eventlog.End != 0 {
		counted = counted[:n-1]
	}
	for i, r := range counted {
		if newer := len(counted) - i; rule.Count > 0 && newer > rule.Count {
			m.remove(r, topic, trimmed)
		} else if rule.Latest > 0 && newer > rule.Latest {
			m.remove(r, topic, superseded)
		}
	}
}

// keepTotal applies Bytes and Events.
func (m *model) keepTotal() {
	for _, r := range m.records {
		b := m.bounds()
		if (m.ret.Bytes == 0 || b.Bytes <= m.ret.Bytes) && (m.ret.Events == 0 || b.Events <= m.ret.Events) {
			break
		}
		for i, topic := range r.Topics {
			if r.state[i] == live && !eventlog.Reserved(topic) {
				m.remove(r, topic, trimmed)
			}
		}
	}
}

func (m *model) bounds() eventlog.Bounds {
	b := eventlog.Bounds{Head: eventlog.Position{Gen: m.gen, Seq: m.head}, Floor: m.floor, Trimmed: m.hole}
	dead, size := m.dead()
	b.DeadTopics, b.DeadBytes = int64(len(dead)), size
	for _, r := range m.records {
		if slices.Contains(r.state, trimmed) {
			b.Trimmed = max(b.Trimmed, r.Seq)
		}
		if r.lives() {
			b.First = cmp.Or(b.First, r.Seq)
			b.Events++
			b.Bytes += int64(r.Size())
		}
	}
	return b
}

// gap returns the number up to which a reader misses records, or 0.
func (m *model) gap(s eventlog.Selector, told uint64) (to uint64) {
	lose := func(seq uint64) {
		if seq > told {
			to = max(to, seq)
		}
	}
	lose(m.hole)
	for _, name := range s.Names() {
		if m.topics[name] == nil {
			lose(m.floor)
		}
	}
	if len(s.Matchers()) > 0 {
		lose(m.floor)
	}
	for topic, t := range m.topics {
		if !s.Match(topic) {
			continue
		}
		lose(t.base)
		for _, r := range m.of(topic, trimmed) {
			if !m.found(r, s) {
				lose(r.Seq)
			}
		}
	}
	return to
}

// read returns every matching record after a number.
func (m *model) read(s eventlog.Selector, after uint64) (found []eventlog.Record) {
	for _, r := range m.records {
		if r.Seq > after && m.found(r, s) && s.Keep(&r.Record) {
			found = append(found, r.Record)
		}
	}
	return found
}

// cut drops the records after a number and begins a generation. Records that dropped ones have superseded stay superseded here, without
// a gap; a log has to report them as missing.
func (m *model) cut(gen string, after uint64) {
	m.gen = gen
	if after == m.head {
		return
	}
	dropped := func(r *modelRecord) bool { return r.Seq > after }
	m.records, m.uses = slices.DeleteFunc(m.records, dropped), slices.DeleteFunc(m.uses, dropped)
	maps.DeleteFunc(m.topics, func(_ string, t *modelTopic) bool { return t.born > after })
	m.head, m.floor, m.hole = after, min(m.floor, after), min(m.hole, after)
	if m.mirror || slices.ContainsFunc(m.records, (*modelRecord).lives) { // otherwise times must not decrease
		m.last = time.Time{}
	}
	for _, r := range m.records {
		if r.lives() || m.mirror {
			m.last = r.Time
		}
	}
}

// retain changes the rules at this time of the clock. What has expired under the old ones by the time of the newest record stays so. Ages come
// before the limits of the whole log.
func (m *model) retain(now time.Time, r eventlog.Retention) {
	for _, r := range m.records {
		for _, topic := range r.Topics {
			if r.Flags&eventlog.End != 0 && m.last.Sub(r.Time) > m.ret.Rule(topic).EndAge() {
				m.expiredEnds[endOf{topic, r.Seq}] = true
			}
		}
	}
	n := len(m.uses)
	for len(m.uses) > 0 && (n > m.ret.Keys || m.last.Sub(m.uses[0].Time) > m.ret.KeyAge) {
		m.uses, n = m.uses[1:], n-1
	}
	m.ret = r
	for topic := range m.topics {
		m.keepNewest(topic)
	}
	m.expire(now)
	m.keepTotal()
	m.forget()
}
