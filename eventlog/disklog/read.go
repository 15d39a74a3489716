package disklog

import (
	"context"
	"errors"

	"github.com/tidings-sse/tidings/eventlog"
)

// Read implements eventlog.Log.
func (l *Log) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	s, done, err := l.use(ctx)
	if err != nil {
		return eventlog.Answer{}, err
	}
	defer done()
	return s.read(ctx, q.WithDefaults(), l.Head())
}

func (s *store) read(ctx context.Context, q eventlog.Query, head eventlog.Position) (eventlog.Answer, error) {
	from := q.After
	if err := start(&q, head); err != nil {
		return eventlog.Answer{}, err
	}
	if s.quiet(&q) {
		return eventlog.Answer{Complete: head}, nil
	}
	v, err := s.view(head.Seq)
	if err != nil {
		return eventlog.Answer{}, err
	}
	answer, err := v.read(ctx, &q, from)
	if closeErr := v.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return eventlog.Answer{}, err
	}
	return answer, nil
}

// quiet reports whether it is known without looking that there is nothing to read and nothing missing.
func (s *store) quiet(q *eventlog.Query) bool {
	told := max(q.After.Seq, q.Told)
	if to, _ := s.hole(told); to != 0 || s.mayMiss(&q.Selector, told) {
		return false
	}
	return len(q.Selector.Matchers()) == 0 && !s.news(q.Selector.Names(), q.After.Seq)
}

// news reports whether one of the topics may have a record after a number.
func (s *store) news(names []string, after uint64) bool {
	for _, name := range names {
		if s.marks.of(name).last.Load() > after {
			return true
		}
	}
	return false
}

func (v *view) read(ctx context.Context, q *eventlog.Query, from eventlog.Position) (eventlog.Answer, error) {
	gap, err := v.gap(&q.Selector, from, max(q.After.Seq, q.Told))
	if err != nil {
		return eventlog.Answer{}, err
	}
	if gap != nil {
		return eventlog.Answer{}, gap
	}
	a := answer{view: v, q: q, complete: q.After.Seq}
	if q.After.Seq < v.head {
		err = a.fill(ctx)
	}
	return eventlog.Answer{Records: a.records, Complete: v.s.at(a.complete)}, err
}

// answer is one that is being put together.
type answer struct {
	*view
	q        *eventlog.Query
	records  []eventlog.Record
	bytes    int
	complete uint64
}

// full reports whether a record of this size has no room any more.
func (a *answer) full(size int) bool {
	return len(a.records) >= a.q.Limit || len(a.records) > 0 && a.bytes+size > a.q.Bytes
}

// add takes a record that is wanted, unless the answer is full.
func (a *answer) add(r *eventlog.Record) bool {
	size := r.Size()
	if a.full(size) {
		return false
	}
	a.records = append(a.records, *r)
	a.bytes += size
	a.complete = r.Seq
	return true
}

// fill reads what is wanted, by the way that costs least.
func (a *answer) fill(ctx context.Context) error {
	sel := &a.q.Selector
	if len(sel.Matchers()) == 0 {
		seqs, to, err := a.gather(ctx, sel, a.complete, a.q.Limit, 0)
		if err != nil {
			return err
		}
		return a.fetch(ctx, seqs, to)
	}
	if sel.All() {
		a.records = make([]eventlog.Record, 0, min(uint64(a.q.Limit), a.head-a.complete))
		return a.scan(ctx, scanMost)
	}
	// A few records on there may be enough that match. If not, either the topics are walked, if they are fewer than what is
	// left to look through, or the scan goes on, for a while.
	if err := a.scan(ctx, scanFirst); err != nil || a.complete == a.head || a.full(0) {
		return err
	}
	seqs, to, err := a.gather(ctx, sel, a.complete, a.q.Limit, int(min((a.head-a.complete)/seekCost, walkMost)))
	switch {
	case errors.Is(err, errTooMany):
		return a.scan(ctx, scanMost)
	case err != nil:
		return err
	}
	return a.fetch(ctx, seqs, to)
}

const (
	scanFirst = 2048    // records that are looked through before anything else is tried
	scanMost  = 65_536  // records that one Read looks through; it returns with how far it came
	walkMost  = 100_000 // topics that one Read walks
	seekCost  = 8       // of a topic that is walked, in records that are looked through
)

// fetch reads the records that were found in the index, which is complete up to a number.
func (a *answer) fetch(ctx context.Context, seqs []uint64, to uint64) error {
	if a.records == nil {
		a.records = make([]eventlog.Record, 0, len(seqs))
	}
	for i, seq := range seqs {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := a.event(seq)
		if err != nil {
			return err
		}
		if a.q.Selector.Keep(&r) && !a.add(&r) {
			return nil
		}
	}
	a.complete = to
	return nil
}

// scan reads on record by record, at most so many.
func (a *answer) scan(ctx context.Context, most int) error {
	ev, err := a.reader()
	if err != nil {
		return err
	}
	sel := &a.q.Selector
	all := sel.All()
	a.key = eventKey(a.key[:0], a.complete+1)
	for ok := ev.SeekGE(a.key); ok; ok = ev.Next() {
		seq := seqOf(ev.Key())
		if seq > a.head {
			break
		}
		if most--; most < 0 {
			return nil
		}
		if most%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !all {
			if topic, only := canonicalTopic(ev.Value()); only && !sel.Match(string(topic)) {
				a.complete = seq
				continue
			}
		}
		r, err := decodeEvent(ev)
		if err != nil {
			return err
		}
		wanted := all
		if !all {
			if wanted, err = a.selects(sel, &r); err != nil {
				return err
			}
		}
		if wanted && sel.Keep(&r) {
			if !a.add(&r) {
				return nil
			}
		}
		a.complete = seq
	}
	if err := ev.Error(); err != nil {
		return err
	}
	a.complete = a.head
	return nil
}
