package eventlog

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sort"
	"time"
)

// A filter is the caller's function: it may be slow, and it may call the log. So Read does not call it under the lock. Read
// takes pages of matching records under the lock and filters them afterwards. A page refers to records and copies none.

// filterPage is the minimum size of a page when there is a filter. Otherwise a read whose filter drops nearly all records would
// take the lock for each record.
const filterPage = 256

// page is a part of an answer.
type page struct {
	gen     string
	records []*stored // that match, before the filter
	upTo    uint64    // the records are complete up to here
	head    bool      // upTo is the head
}

// Read implements [Log]. It fails with *GapError, [ErrClosed] and the error of the context.
func (m *Memory) Read(ctx context.Context, q Query) (Answer, error) {
	q = q.WithDefaults()
	var answer Answer
	bytes := 0
	for first := true; ; first = false {
		p, err := m.page(ctx, q)
		if errors.Is(err, ErrGap) && !first {
			return answer, nil // complete up to here; later records were trimmed meanwhile, and the next Read returns the gap
		} else if err != nil {
			return Answer{}, err
		}
		for _, r := range p.records {
			if !q.Selector.Keep(&r.Record) {
				continue
			}
			if n := len(answer.Records); n > 0 && (n == q.Limit || bytes+r.Size() > q.Bytes) {
				answer.Complete = Position{p.gen, answer.Records[n-1].Seq}
				return answer, nil
			}
			answer.Records = append(answer.Records, r.Record)
			bytes += r.Size()
		}
		answer.Complete = Position{p.gen, p.upTo}
		if p.head || len(answer.Records) == q.Limit {
			return answer, nil
		}
		q.After = answer.Complete
	}
}

// page returns the first records that match q.
func (m *Memory) page(ctx context.Context, q Query) (page, error) {
	m.rlock()
	defer m.mu.RUnlock()
	if err := m.endError(ctx); err != nil {
		return page{}, err
	}
	if m.gen == "" {
		if !q.After.IsZero() {
			return page{}, ErrNoGeneration
		}
		return page{head: true}, nil
	}
	v := m.view(q.Selector)
	if gap := m.gap(q, v); gap != nil {
		return page{}, gap
	}
	size := q.Limit
	if q.Selector.filter != nil {
		size = max(size, filterPage)
	}
	p := page{gen: m.gen, upTo: m.head, head: true}
	for r := range v.records(q.After.Seq, math.MaxUint64, false) {
		if len(p.records) == size {
			p.upTo, p.head = p.records[size-1].Seq, false
			break
		}
		p.records = append(p.records, r)
	}
	if v.stopped > 0 {
		p.upTo, p.head = v.stopped, false
	}
	return p, nil
}

// Seek implements [Log].
func (m *Memory) Seek(ctx context.Context, s Selector, from Start) (Query, error) {
	if err := m.usable(ctx); err != nil {
		return Query{}, err
	}
	if err := from.Check(); err != nil {
		return Query{}, err
	}
	if m.Head().Gen == "" {
		return Query{}, ErrNoGeneration
	}
	after := uint64(0)
	if from.Last > 0 {
		var err error
		if after, err = m.beforeLast(ctx, s, from); err != nil {
			return Query{}, err
		}
	}
	m.rlock()
	defer m.mu.RUnlock()
	if err := m.endError(ctx); err != nil {
		return Query{}, err
	}
	if !from.Since.IsZero() {
		after = m.beforeTime(from.Since)
	}
	q := Query{Selector: s, After: m.at(min(after, m.head))}
	if gap := m.gap(q, m.view(s)); gap != nil {
		q.Told = gap.To.Seq // it was missing before the reader started
	}
	return q, nil
}

// beforeLast returns the number before the newest records that s selects, as many as from.Last, all before from.Before.
func (m *Memory) beforeLast(ctx context.Context, s Selector, from Start) (uint64, error) {
	n := from.Last
	for before := cmp.Or(from.Before, math.MaxUint64); before > 0; {
		var records []*stored
		var err error
		if records, before, err = m.pageBefore(ctx, s, before, max(n, filterPage)); err != nil {
			return 0, err
		}
		for _, r := range records {
			if !s.Keep(&r.Record) {
				continue
			}
			if n--; n == 0 {
				return r.Seq - 1, nil
			}
		}
	}
	return 0, nil
}

// pageBefore returns the last matching records before a number, newest first. Records before rest were not searched.
func (m *Memory) pageBefore(
	ctx context.Context, s Selector, before uint64, size int,
) (records []*stored, rest uint64, err error) {
	m.rlock()
	defer m.mu.RUnlock()
	if err := m.endError(ctx); err != nil {
		return nil, 0, err
	}
	v := m.view(s)
	for r := range v.records(0, before, true) {
		if records = append(records, r); len(records) == size {
			return records, r.Seq, nil
		}
	}
	return records, v.stopped, nil
}

// beforeTime returns the number before the first record that is not older than a time; the head if all are older.
func (m *Memory) beforeTime(since time.Time) uint64 {
	slots := m.records.All()
	first := sort.Search(len(slots), func(i int) bool { return !moment(slots[i].time).Before(since) })
	for _, slot := range slots[first:] {
		if slot.record != nil {
			return slot.seq - 1
		}
	}
	return m.head
}

// Lookup implements [Lookup].
func (m *Memory) Lookup(ctx context.Context, id string) (Position, bool, error) {
	m.rlock()
	defer m.mu.RUnlock()
	if err := m.endError(ctx); err != nil {
		return Position{}, false, err
	}
	if m.gen == "" {
		return Position{}, false, ErrNoGeneration
	}
	r := m.ids[id]
	if r == nil {
		return Position{}, false, nil
	}
	return m.at(r.Seq), true, nil
}
