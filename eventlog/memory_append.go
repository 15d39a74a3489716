package eventlog

import (
	"context"
	"time"
)

// Append implements [Log]. It fails with *RecordError, *SizeError, [ErrMirror], [ErrClosed] and the error of the context.
func (m *Memory) Append(ctx context.Context, records []Record) ([]Receipt, error) {
	if err := m.checkBatch(ctx, records); err != nil {
		return nil, err
	}
	uses, now := keyUses(records), m.now()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.endError(ctx); err != nil {
		return nil, err
	}
	m.expire(now)
	head := m.head
	receipts, err := m.add(records, uses, m.head, max(now, m.last))
	if m.head != head {
		m.wake()
	}
	return receipts, err
}

// add decides on records that come after a number, at a time, and stores all of them or none.
func (m *Memory) add(records []Record, uses []*keyUse, after uint64, at int64) ([]Receipt, error) {
	d := m.decider(after, at)
	receipts := make([]Receipt, len(records))
	for i := range records {
		var refused error
		if receipts[i], refused = d.decide(&records[i], uses[i]); refused != nil {
			return nil, &RecordError{Index: i, Err: refused}
		}
	}
	for i := range records {
		if !receipts[i].Duplicate {
			m.store(&records[i], uses[i], receipts[i].Seq, d.time)
		}
	}
	return receipts, nil
}

// checkBatch returns the errors that do not depend on the content of the log.
func (m *Memory) checkBatch(ctx context.Context, records []Record) error {
	if err := m.usable(ctx); err != nil {
		return err
	}
	if m.mirror {
		return ErrMirror
	}
	return CheckBatch(records)
}

// decider decides on records one after the other. It keeps the keys and ends of earlier records for the later ones and does not change
// the log, so that one refused record can undo all of them.
type decider struct {
	*Memory
	seq   uint64 // of the last record
	time  int64  // of all records
	used  uint64 // number of keys used so far
	ended map[string]uint64
	uses  map[digest]*keyUse
}

func (m *Memory) decider(seq uint64, time int64) decider {
	return decider{Memory: m, seq: seq, time: time, used: m.keys.used}
}

// decide returns the receipt of a record, or why it is refused. It checks the key before the end of the topic: a repeated publish gets
// its first answer again, even if the topic has ended since.
func (d *decider) decide(r *Record, use *keyUse) (_ Receipt, refused error) {
	if use != nil {
		if first := d.use(use.id); first != nil {
			receipt := Receipt{Position: d.at(first.seq), Time: moment(first.time), Duplicate: true}
			if first.content != use.content {
				return Receipt{}, &KeyError{Topic: r.Topics[0], Key: r.Key, First: receipt.Position}
			}
			return receipt, nil
		}
	}
	for _, topic := range r.Topics {
		if end := d.end(topic); end != 0 {
			return Receipt{}, &EndedError{Topic: topic, End: d.at(end)}
		}
	}
	d.seq++
	d.note(r, use)
	return Receipt{Position: d.at(d.seq), Time: moment(d.time)}, nil
}

// note keeps the key and the end of a record for later ones.
func (d *decider) note(r *Record, use *keyUse) {
	if r.Flags&End != 0 {
		if d.ended == nil {
			d.ended = map[string]uint64{}
		}
		for _, topic := range r.Topics {
			d.ended[topic] = d.seq
		}
	}
	if use != nil {
		if d.uses == nil {
			d.uses = map[digest]*keyUse{}
		}
		d.used++
		use.n, use.seq, use.time = d.used, d.seq, d.time
		d.uses[use.id] = use
	}
}

// use returns the last use of a key, nil if the key is not known.
func (d *decider) use(id digest) *keyUse {
	use := d.uses[id]
	if use == nil {
		use = d.keys.known[id]
	}
	if use == nil || !d.keys.knows(use, d.used, d.time) {
		return nil
	}
	return use
}

// end returns the number of the record that ended a topic, or 0.
func (d *decider) end(name string) uint64 {
	if end, ok := d.ended[name]; ok {
		return end
	}
	return d.ends.holds(name, d.time)
}

// store adds a record and then applies retention. It does so record by record, so that a mirror keeps the same records whatever
// batches they came in.
func (m *Memory) store(given *Record, use *keyUse, seq uint64, ms int64) {
	r := &stored{Record: *given, topics: make([]*topic, len(given.Topics)), live: len(given.Topics)}
	r.Seq, r.Time = seq, moment(ms)
	r.Retry = given.Retry.Truncate(time.Millisecond)
	r.Topics = make([]string, len(given.Topics))
	for i, name := range given.Topics {
		t := m.topic(name)
		t.live.Push(r)
		t.bytes += int64(given.Size())
		t.last = seq
		r.topics[i], r.Topics[i] = t, t.name
		m.ends.add(t, seq, ms, r.Flags&End != 0)
	}
	m.ends.forget(ms, undo)
	m.records.Push(slot{seq, ms, r})
	m.noteTime(seq, ms)
	m.head, m.last = seq, ms
	m.count(r, 1)
	m.link(r)
	if use != nil {
		m.keys.add(use)
	}
	m.keep(r)
}

// count adds n times a record to the counters.
func (m *Memory) count(r *stored, n int64) {
	m.events += n
	m.bytes += n * int64(r.Size())
}

// link makes a record the newest of its ID.
func (m *Memory) link(r *stored) {
	if r.ID == "" {
		return
	}
	if r.older = m.ids[r.ID]; r.older != nil {
		r.older.newer = r
	}
	m.ids[r.ID] = r
}

// unlink removes a record from those of its ID.
func (m *Memory) unlink(r *stored) {
	switch {
	case r.ID == "":
		return
	case r.newer != nil:
		r.newer.older = r.older
	case r.older != nil:
		m.ids[r.ID] = r.older
	default:
		delete(m.ids, r.ID)
	}
	if r.older != nil {
		r.older.newer = r.newer
	}
}
