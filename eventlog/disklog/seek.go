package disklog

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Seek implements eventlog.Log.
func (l *Log) Seek(ctx context.Context, sel eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	if err := from.Check(); err != nil {
		return eventlog.Query{}, err
	}
	s, done, err := l.use(ctx)
	if err != nil {
		return eventlog.Query{}, err
	}
	defer done()
	v, err := s.view(l.Head().Seq)
	if err != nil {
		return eventlog.Query{}, err
	}
	q, err := v.seek(ctx, sel, from)
	return q, errors.Join(err, v.close())
}

func (v *view) seek(ctx context.Context, sel eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	after, err := uint64(0), error(nil)
	switch {
	case from.Last > 0:
		after, err = v.last(ctx, &sel, from.Last)
	case !from.Since.IsZero():
		after, err = v.since(from.Since)
	}
	if err != nil {
		return eventlog.Query{}, err
	}
	q := eventlog.Query{Selector: sel, After: v.s.at(after)}
	gap, err := v.gap(&sel, q.After, after)
	if gap != nil {
		q = gap.Partial(q)
	}
	return q, err
}

// since returns the number before the first record of a time and later. Times rise with numbers, so that the records
// themselves are the index of times: some 25 of them are read for ten million.
func (v *view) since(t time.Time) (uint64, error) {
	ev, err := v.reader()
	if err != nil {
		return 0, err
	}
	ms := t.UnixMilli()
	if t.After(unixMilli(uint64(max(ms, 0)))) {
		ms++ // the first whole millisecond that is not before t
	}
	low, high := uint64(0), v.head // the number is at least low and at most high
	for low < high {
		mid := low + (high-low)/2
		v.key = eventKey(v.key[:0], mid+1)
		if !ev.SeekGE(v.key) || seqOf(ev.Key()) > v.head {
			if err := ev.Error(); err != nil {
				return 0, err
			}
			high = mid // nothing is behind it; what is before may be late enough
			continue
		}
		value, err := ev.ValueAndErr()
		switch {
		case err != nil:
			return 0, err
		case len(value) < 8:
			return 0, corrupt("record", "it is too short")
		case int64(seqOf(value[:8])) >= ms:
			high = mid
		default:
			low = seqOf(ev.Key())
		}
	}
	return v.orHead(low)
}

// orHead returns the head if there is no record after a number.
func (v *view) orHead(after uint64) (uint64, error) {
	v.key = eventKey(v.key[:0], after+1)
	if !v.ev.SeekGE(v.key) || seqOf(v.ev.Key()) > v.head {
		return v.head, v.ev.Error()
	}
	return after, nil
}

// last returns the number before the last so many records that are selected.
func (v *view) last(ctx context.Context, sel *eventlog.Selector, n int) (uint64, error) {
	w := wanted{view: v, sel: sel, missing: n, at: v.head + 1}
	if len(sel.Matchers()) > 0 {
		most := scanFirst
		if sel.All() {
			most = math.MaxInt
		}
		if err := w.scan(ctx, most); err != nil || w.done() {
			return w.after(), err
		}
		err := w.gather(ctx, int(min(w.at/seekCost, walkMost)))
		if errors.Is(err, errTooMany) {
			err = w.scan(ctx, math.MaxInt)
		}
		return w.after(), err
	}
	err := w.gather(ctx, 0)
	return w.after(), err
}

// wanted goes backwards until it has found so many records.
type wanted struct {
	*view
	sel     *eventlog.Selector
	missing int
	at      uint64 // everything from here on was looked at
}

func (w *wanted) done() bool { return w.missing == 0 || w.at <= 1 }

// after returns the number with which a reader begins.
func (w *wanted) after() uint64 {
	if w.missing > 0 || w.at == 0 {
		return 0
	}
	return w.at - 1
}

// gather goes back by the index.
func (w *wanted) gather(ctx context.Context, walk int) error {
	for !w.done() {
		seqs, to, err := w.gatherBack(ctx, w.sel, w.at, w.missing, walk)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			if w.sel.Filtered() {
				r, err := w.event(seq)
				if err != nil {
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

// scan goes back record by record, at most so many.
func (w *wanted) scan(ctx context.Context, most int) error {
	ev, err := w.reader()
	if err != nil {
		return err
	}
	w.key = eventKey(w.key[:0], w.at)
	for ok := ev.SeekLT(w.key); ok; ok = ev.Prev() {
		if most--; most < 0 {
			return nil
		}
		if most%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := decodeEvent(ev)
		if err != nil {
			return err
		}
		wanted, err := w.selects(w.sel, &r)
		if err != nil {
			return err
		}
		w.at = r.Seq
		if !wanted || !w.sel.Keep(&r) {
			continue
		}
		if w.missing--; w.missing == 0 {
			return nil
		}
	}
	w.at = 0
	return ev.Error()
}
