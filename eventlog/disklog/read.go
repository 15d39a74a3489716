package disklog

import (
	"context"
	"errors"

	"github.com/tidings-sse/tidings/eventlog"
)

// Read implements eventlog.Log.
func (l *Log) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	s, err := l.use(ctx)
	if err != nil {
		return eventlog.Answer{}, err
	}
	defer s.release()
	if err := l.begun(); err != nil {
		if q.After.IsZero() {
			err = nil
		}
		return eventlog.Answer{}, err
	}
	answer, err := s.read(ctx, q.WithDefaults(), l.Head())
	return answer, typed(err)
}

func (s *store) read(ctx context.Context, q eventlog.Query, head eventlog.Position) (_ eventlog.Answer, err error) {
	from := q.After
	if err := start(&q, head); err != nil {
		return eventlog.Answer{}, err
	}
	if s.quiet(&q) {
		return eventlog.Answer{Complete: head}, nil
	}
	if a, ok := s.recent(&q, head); ok {
		return a, nil
	}
	v, err := s.view(head.Seq)
	if err != nil {
		return eventlog.Answer{}, err
	}
	defer func() { // also if a filter panics
		if closeErr := v.close(); err == nil {
			err = closeErr
		}
	}()
	return v.read(ctx, &q, from)
}

// quiet reports, without reading from the store, whether there is no record to read and none is missing.
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
		if s.marks.last(name) > after {
			return true
		}
	}
	return false
}

func (v *view) read(ctx context.Context, q *eventlog.Query, from eventlog.Position) (eventlog.Answer, error) {
	told := max(q.After.Seq, q.Told)
	gap, err := v.missing(ctx, &q.Selector, from, told)
	if err != nil {
		return eventlog.Answer{}, err
	}
	if gap != nil {
		return eventlog.Answer{}, gap
	}
	a := answer{view: v, q: q, told: told, complete: q.After.Seq}
	if q.After.Seq < v.head {
		err = a.fill(ctx)
	}
	if a.gap != nil {
		a.gap.From = from
		return eventlog.Answer{}, a.gap
	}
	if err != nil {
		return eventlog.Answer{}, err
	}
	return eventlog.Answer{Records: a.records, Complete: v.s.at(a.complete)}, nil
}

// answer is an answer that is being built.
type answer struct {
	*view
	q          *eventlog.Query
	records    []eventlog.Record
	bytes      int
	complete   uint64
	told       uint64             // losses up to here were reported
	unreadable bool               // the answer ends before something unreadable
	gap        *eventlog.GapError // set instead if the answer would be empty
}

// lost handles an unreadable range that may contain selected records. It reports whether the answer ends before it.
func (a *answer) lost(s span) (unreadable bool) {
	if s.to <= a.told {
		return false
	}
	a.complete = max(a.complete, s.from-1)
	if a.complete == a.q.After.Seq {
		if known, ok := a.s.damage.at(s.to); ok {
			s.to = min(known.to, a.head)
		}
		a.gap = &eventlog.GapError{Reason: eventlog.Corrupt, To: a.s.at(s.to)}
	}
	return true
}

// full reports whether a record of this size does not fit.
func (a *answer) full(size int) bool {
	return len(a.records) >= a.q.Limit || len(a.records) > 0 && a.bytes+size > a.q.Bytes
}

// add adds a selected record, unless the answer is full.
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

// fill reads the selected records in the cheapest way.
func (a *answer) fill(ctx context.Context) error {
	sel := &a.q.Selector
	if len(sel.Matchers()) == 0 {
		if a.s.damage.index(sel.Names()) {
			return a.scan(ctx, scanMost)
		}
		seqs, to, err := a.gather(ctx, sel, a.complete, a.q.Limit, 0)
		switch {
		case isCorrupt(err):
			a.noteIndex(sel.Names())
			return a.scan(ctx, scanMost)
		case err != nil:
			return err
		}
		return a.fetch(ctx, seqs, to)
	}
	if sel.All() {
		a.records = make([]eventlog.Record, 0, min(uint64(a.q.Limit), a.head-a.complete))
		return a.scan(ctx, scanMost)
	}
	// A short scan may find enough records. If it does not, either visit the topics, if they are fewer than the records left to
	// scan, or scan on up to a limit.
	cost := sel.Cost()
	if err := a.scan(ctx, max(1, scanFirst/cost)); err != nil || a.unreadable || a.complete == a.head || a.full(0) {
		return err
	}
	seqs, to, err := a.gather(ctx, sel, a.complete, a.q.Limit, int(min((a.head-a.complete)/seekCost, walkMost))/cost)
	switch {
	case errors.Is(err, errTooMany), isCorrupt(err):
		return a.scan(ctx, max(1, scanMost/cost))
	case err != nil:
		return err
	}
	return a.fetch(ctx, seqs, to)
}

const (
	scanFirst = 2048   // records to scan before anything else is tried
	scanMost  = 65_536 // records that one Read scans; it then returns how far it came
	scanBytes = 64 << 20
	large     = 64 << 10 // a scan checks the context before records of this size
	walkMost  = 100_000  // topics that one Read visits
	seekCost  = 8        // cost of visiting a topic, in records scanned
)

// fetch reads records that the index named. The index was complete up to a number.
func (a *answer) fetch(ctx context.Context, seqs []uint64, to uint64) error {
	if a.records == nil {
		a.records = make([]eventlog.Record, 0, len(seqs))
	}
	for i, seq := range seqs {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := a.event(seq)
		switch {
		case isCorrupt(err):
			if a.lost(a.run(seqs[i:])) {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		if a.q.Selector.Keep(&r) && !a.add(&r) {
			return nil
		}
	}
	a.complete = to
	return nil
}

// run returns the range of the first unreadable ones among these records.
func (a *answer) run(seqs []uint64) span {
	s := span{seqs[0], seqs[0]}
	for _, seq := range seqs[1:] {
		if _, err := a.event(seq); !isCorrupt(err) {
			break
		}
		s.to = seq
	}
	return s
}

// scan reads at most most records, one by one.
func (a *answer) scan(ctx context.Context, most int) error {
	bytes := 0
	ev := a.events(ctx)
	for ok := ev.seekGE(a.complete + 1); ok; ok = ev.next() {
		if ev.at() > a.head {
			break
		}
		if most--; most < 0 || bytes > scanBytes {
			return nil
		}
		if bytes += len(ev.value); (most%1024 == 0 || len(ev.value) > large) && ctx.Err() != nil {
			return ctx.Err()
		}
		if ev.gone != (span{}) {
			if a.unreadable = a.lost(ev.gone); a.unreadable {
				return nil
			}
			a.complete = ev.gone.to
			continue
		}
		if more, err := a.look(ev); err != nil || !more {
			return err
		}
	}
	if ev.err != nil {
		return ev.err
	}
	a.complete = a.head
	return nil
}

// look adds the current record of a scan if it is selected. It returns false if it does not fit or cannot be read.
func (a *answer) look(ev *events) (more bool, err error) {
	sel := &a.q.Selector
	all := sel.All()
	if !all {
		if topic, only := canonicalTopic(ev.value); only && !sel.Match(string(topic)) {
			a.complete = ev.seq
			return true, nil
		}
	}
	r, err := decodeRecord(ev.seq, ev.value)
	if isCorrupt(err) {
		a.unreadable = a.lost(span{ev.seq, ev.seq})
		return !a.unreadable, nil
	}
	wanted := all
	if !all && err == nil {
		wanted, err = a.selects(sel, &r)
	}
	if err != nil || wanted && sel.Keep(&r) && !a.add(&r) {
		return false, err
	}
	a.complete = ev.seq
	return true, nil
}
