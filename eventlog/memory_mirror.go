package eventlog

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/tidings-sse/tidings/internal/queue"
)

// AppendAt implements [Mirror]. The receipt of a record that is left out has the position that the record would have had.
// AppendAt fails with *RecordError, *SizeError, [ErrClosed] and the error of the context.
func (m *Memory) AppendAt(ctx context.Context, records []Record) ([]Receipt, error) {
	if err := m.checkBatch(ctx, records); err != nil {
		return nil, err
	}
	uses, now := keyUses(records), m.clock().UnixMilli()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.over(ctx); err != nil {
		return nil, err
	}
	if err := CheckPlaced(m.head, records); err != nil {
		return nil, err
	}
	m.expire(now)
	receipts := make([]Receipt, len(records))
	for i := range records {
		receipts[i] = m.appendAt(&records[i], uses[i])
	}
	if len(records) > 0 {
		m.wake()
	}
	return receipts, nil
}

// appendAt decides on one record and stores it. The decision depends on the records before it, not on the batch.
func (m *Memory) appendAt(r *Record, use *keyUse) Receipt {
	d := m.decider(r.Seq-1, max(r.Time.UnixMilli(), m.last))
	receipt := d.decide(r, use)
	switch {
	case receipt.Refused != nil:
		receipt.Position, receipt.Time = m.at(r.Seq), moment(d.time)
	case !receipt.Duplicate:
		m.store(r, use, r.Seq, d.time)
	}
	m.head = r.Seq
	return receipt
}

// Skip implements [Mirror]. It fails with *InvalidError, [ErrClosed] and the error of the context.
func (m *Memory) Skip(ctx context.Context, to uint64, reason Reason) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.over(ctx); err != nil {
		return err
	}
	if err := CheckSkip(m.head, to, reason); err != nil {
		return err
	}
	if n := len(m.holes); n > 0 && m.holes[n-1].to == m.head && m.holes[n-1].reason == reason {
		m.holes[n-1].to = to
	} else {
		m.holes = append(m.holes, hole{m.head, to, reason})
	}
	if len(m.holes) > maxHoles {
		m.holes[1].from = m.holes[0].from
		m.holes = slices.Delete(m.holes, 0, 1)
	}
	m.head = to
	m.wake()
	return nil
}

// SetGeneration implements [Mirror]. It fails with *InvalidError if after is above the head, with [ErrClosed] and the error of
// the context.
func (m *Memory) SetGeneration(ctx context.Context, gen string, after uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.over(ctx); err != nil {
		return err
	}
	if err := checkGeneration(gen); err != nil {
		return err
	}
	switch {
	case after > m.head:
		return &InvalidError{
			What: "sequence number", Value: strconv.FormatUint(after, 10),
			Reason: "the head is only at " + strconv.FormatUint(m.head, 10),
		}
	case gen == m.gen && after < m.head:
		return &InvalidError{What: "generation", Value: gen, Reason: "it is the current one, in which numbers must not be used twice"}
	}
	if after < m.head {
		m.cut(after)
	}
	m.gen, m.head = gen, after
	m.wake()
	return nil
}

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
	m.last = time.Time{}.UnixMilli()
	if slots := m.records.All(); len(slots) > 0 {
		m.last = slots[len(slots)-1].time
	}
	m.keys.cut(after)
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

// cut removes a topic's records after a number. For what it lost and what was superseded only the newest number is known. If
// that is after the cut, anything up to the cut may be missing, so the topic counts as having lost records right up to it.
func (t *topic) cut(after uint64) {
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
