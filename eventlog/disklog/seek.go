package disklog

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Seek implements eventlog.Log.
func (l *Log) Seek(ctx context.Context, sel eventlog.Selector, from eventlog.Start) (_ eventlog.Query, err error) {
	if err := from.Check(); err != nil {
		return eventlog.Query{}, err
	}
	s, err := l.use(ctx)
	if err != nil {
		return eventlog.Query{}, err
	}
	defer s.release()
	if err := l.begun(); err != nil {
		return eventlog.Query{}, err
	}
	v, err := s.view(l.Head().Seq)
	if err != nil {
		return eventlog.Query{}, err
	}
	defer func() { err = errors.Join(err, v.close()) }() // also if a filter panics
	q, err := v.seek(ctx, sel, from)
	return q, typed(err)
}

func (v *view) seek(ctx context.Context, sel eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	after, err := uint64(0), error(nil)
	switch {
	case from.Last > 0:
		after, err = v.last(ctx, &sel, from)
	case !from.Since.IsZero():
		after, err = v.since(ctx, from.Since)
	}
	if err != nil {
		return eventlog.Query{}, err
	}
	q := eventlog.Query{Selector: sel, After: v.s.at(after)}
	gap, err := v.missing(ctx, &sel, q.After, after)
	if gap != nil {
		q = gap.Partial(q)
	}
	q.Told = max(q.Told, v.unsure) // these losses are before the start, too
	return q, err
}

// since returns the number before the first record that is not older than a time. Times rise with sequence numbers, so that a
// binary search over the records finds it: about 25 reads for ten million records.
func (v *view) since(ctx context.Context, t time.Time) (uint64, error) {
	ev := v.events(ctx)
	switch year := t.UTC().Year(); { // no record has such times, and some overflow milliseconds
	case year < 1970:
		return 0, nil
	case year > 9999:
		return v.head, nil
	}
	ms := t.UnixMilli()
	if t.After(unixMilli(uint64(max(ms, 0)))) {
		ms++ // the first whole millisecond that is not before t
	}
	ev.widen()
	low, high := uint64(0), v.head // the result is in this range, both ends included
	for low < high {
		mid := low + (high-low)/2
		if !ev.record(ev.seekGE(mid+1)) || ev.seq > v.head {
			if ev.err != nil {
				return 0, ev.err
			}
			high = mid // there are no records from here on
			continue
		}
		switch {
		case len(ev.value) < 8:
			return 0, corrupt("record", "it is too short")
		case int64(seqOf(ev.value[:8])) >= ms:
			high = mid
		default:
			low = ev.seq
		}
	}
	// There may be no record after low.
	if !ev.record(ev.seekGE(low+1)) || ev.seq > v.head {
		return v.head, ev.err
	}
	return low, nil
}

// last returns the number before the last selected records, as many as from.Last, all before from.Before.
func (v *view) last(ctx context.Context, sel *eventlog.Selector, from eventlog.Start) (uint64, error) {
	w := wanted{view: v, sel: sel, missing: from.Last, at: v.head + 1}
	if from.Before > 0 {
		w.at = min(w.at, from.Before)
	}
	if len(sel.Matchers()) > 0 {
		most := scanFirst
		if sel.All() {
			most = math.MaxInt
		}
		if err := w.scan(ctx, most); err != nil || w.done() {
			return w.after(), err
		}
		err := w.gather(ctx, int(min(w.at/seekCost, walkMost)))
		if errors.Is(err, errTooMany) || isCorrupt(err) {
			err = w.scan(ctx, math.MaxInt)
		}
		return w.after(), err
	}
	err := w.gather(ctx, 0)
	if isCorrupt(err) {
		err = w.scan(ctx, math.MaxInt)
	}
	return w.after(), err
}

// filtered is the minimum number of records to collect at a time if there is a filter.
const filtered = 256

// wanted searches backwards until it has found enough records.
type wanted struct {
	*view
	sel     *eventlog.Selector
	missing int
	at      uint64 // everything from here on was searched
}

func (w *wanted) done() bool { return w.missing == 0 || w.at <= 1 }

// after returns the position at which the reader starts.
func (w *wanted) after() uint64 {
	if w.missing > 0 || w.at == 0 {
		return 0
	}
	return w.at - 1
}

// gather searches backwards by index. A filter may drop any number of records; collecting only as many as are still missing could mean
// visiting all topics for each record.
func (w *wanted) gather(ctx context.Context, walk int) error {
	for more := filtered; !w.done(); more = min(2*more, scanMost) {
		n := w.missing
		if w.sel.Filtered() {
			n = max(n, more)
		}
		seqs, to, err := w.gatherBack(ctx, w.sel, w.at, n, walk)
		if err != nil {
			return err
		}
		for i, seq := range seqs {
			if i%256 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if w.sel.Filtered() {
				r, err := w.event(seq)
				switch {
				case isCorrupt(err):
					continue
				case err != nil:
					return err
				}
				if !w.sel.Keep(&r) {
					continue
				}
			}
			w.at = seq
			if w.missing--; w.missing == 0 {
				return nil
			}
		}
		w.at = to
	}
	return nil
}

// scan searches at most most records backwards, one by one.
func (w *wanted) scan(ctx context.Context, most int) error {
	ev := w.events(ctx)
	for ok := ev.seekLT(w.at); ok; ok = ev.next() {
		if most--; most < 0 {
			return nil
		}
		if most%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		w.at = ev.at()
		if ev.gone != (span{}) {
			continue
		}
		r, err := decodeRecord(ev.seq, ev.value)
		if isCorrupt(err) {
			continue
		}
		wanted, err := w.selects(w.sel, &r)
		if err != nil {
			return err
		}
		if !wanted || !w.sel.Keep(&r) {
			continue
		}
		if w.missing--; w.missing == 0 {
			return nil
		}
	}
	w.at = 0
	return ev.err
}
