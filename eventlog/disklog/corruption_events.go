package disklog

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// events goes through the records, in one direction, past what is damaged. At each step it stands at a record or at a range
// that cannot be read.
type events struct {
	*view
	ctx  context.Context // of the call that reads
	it   *pebble.Iterator
	back bool

	seq   uint64
	value []byte
	gone  span // what cannot be read, if it stands there
	err   error

	bad   span   // in it the iterator is of no use
	limit uint64 // up to here it is, not included, although not beyond; 0: no such bound
}

const (
	singles   = 4096    // numbers that are asked for one by one in a step
	badNumber = 1 << 23 // of numbers in a bad range; one that is larger is taken for unreadable as a whole
)

// events returns the cursor over the records.
func (v *view) events(ctx context.Context) (*events, error) {
	if v.cursor == nil {
		it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{
			LowerBound: []byte{kindEvent}, UpperBound: []byte{kindEvent + 1},
		}})
		if err != nil {
			return nil, err
		}
		v.cursor = &events{view: v, it: it}
	}
	v.cursor.ctx = ctx
	return v.cursor, nil
}

// seekGE goes to the first record that is not before a number.
func (e *events) seekGE(seq uint64) bool {
	e.back = false
	return e.from(seq)
}

// seekLT goes to the last record before a number. From there on next goes backwards.
func (e *events) seekLT(seq uint64) bool {
	e.back = true
	return seq > 0 && e.from(seq-1)
}

// next goes on. It returns false at the end, and after an error.
func (e *events) next() bool {
	at := e.seq
	if e.gone != (span{}) {
		at = e.gone.end(e.back)
	}
	if e.bad != (span{}) || e.gone != (span{}) {
		return e.beyond(at)
	}
	if ok := e.back && e.it.Prev() || !e.back && e.it.Next(); ok {
		return e.stand()
	}
	if e.it.Error() == nil && e.limit == 0 {
		return false
	}
	return e.beyond(at)
}

// at returns the number at which it stands, the first of those that cannot be read.
func (e *events) at() uint64 {
	if e.gone != (span{}) {
		return e.gone.from
	}
	return e.seq
}

// record skips what cannot be read.
func (e *events) record(ok bool) bool {
	for ; ok; ok = e.next() {
		if e.gone == (span{}) {
			return true
		}
	}
	return false
}

// end returns the last number of a range, in a direction.
func (s span) end(back bool) uint64 {
	if back {
		return s.from
	}
	return s.to
}

// beyond goes on behind a number.
func (e *events) beyond(seq uint64) bool {
	if e.back {
		return seq > 0 && e.from(seq-1)
	}
	return e.from(seq + 1)
}

// stand takes the record at which the iterator is.
func (e *events) stand() bool {
	e.gone = span{}
	e.seq = seqOf(e.it.Key())
	e.value, e.err = e.it.ValueAndErr()
	if isCorrupt(e.err) {
		e.gone, e.err = span{e.seq, e.seq}, nil
	}
	return e.err == nil
}

// from goes to the first record from a number on.
func (e *events) from(seq uint64) bool {
	for {
		if e.err = e.ctx.Err(); e.err != nil || e.back && seq == 0 {
			return false
		}
		if e.bad.from <= seq && seq <= e.bad.to {
			if ok := e.oneByOne(seq); ok || e.err != nil {
				return ok
			}
			seq = e.bad.to + 1
			if e.back {
				seq = e.bad.from - 1
			}
		}
		e.bad = span{}
		if e.seek(seq) {
			return e.stand()
		}
		switch err := e.it.Error(); {
		case err == nil && e.limit == 0:
			return false
		case err == nil:
			seq = e.limit
			e.unlimit()
		case !isCorrupt(err):
			e.err = err
			return false
		case !e.avoid(err, seq):
			if e.bad = e.locate(seq); e.err != nil {
				return false
			}
		}
	}
}

// seek asks the iterator.
func (e *events) seek(seq uint64) bool {
	if e.back {
		e.key = eventKey(e.key[:0], seq+1)
		return e.it.SeekLT(e.key)
	}
	if e.limit != 0 && seq >= e.limit {
		e.unlimit()
	}
	e.key = eventKey(e.key[:0], seq)
	return e.it.SeekGE(e.key)
}

// avoid keeps the iterator from a damaged table that begins behind a number, so that it finds what is before in others.
func (e *events) avoid(err error, seq uint64) bool {
	info := pebble.ExtractDataCorruptionInfo(err)
	if e.back || info == nil {
		return false
	}
	begin := info.Bounds.Start
	if len(begin) != 9 || begin[0] != kindEvent || seqOf(begin) <= seq || e.limit != 0 && seqOf(begin) >= e.limit {
		return false
	}
	e.limit = seqOf(begin)
	e.it.SetBounds([]byte{kindEvent}, eventKey(nil, e.limit))
	return true
}

func (e *events) unlimit() {
	e.limit = 0
	e.it.SetBounds([]byte{kindEvent}, []byte{kindEvent + 1})
}

// locate returns a range that begins with a number and beyond which the iterator goes on again. It is found in steps that grow, and
// then by halves.
func (e *events) locate(seq uint64) span {
	distance := func(n uint64) uint64 { // the n-th number from seq on
		if e.back {
			return seq - n
		}
		return seq + n
	}
	e.unlimit()
	most := e.head - min(seq, e.head) + 1 // beyond the head nobody looks
	if e.back {
		most = seq
	}
	bad, good := uint64(0), uint64(1)
	for ; good < most && !e.works(distance(good)); good *= 2 {
		bad = good
	}
	for good = min(good, most); good-bad > 1 && e.err == nil; {
		if middle := bad + (good-bad)/2; e.works(distance(middle)) {
			good = middle
		} else {
			bad = middle
		}
	}
	if e.back {
		return span{distance(bad), seq}
	}
	return span{seq, distance(bad)}
}

// works reports whether the iterator can be used from a number on.
func (e *events) works(seq uint64) bool {
	if e.err != nil || e.seek(seq) {
		return true
	}
	err := e.it.Error()
	if err != nil && !isCorrupt(err) {
		e.err = err
	}
	return !isCorrupt(err)
}

// oneByOne goes to the first record from a number on that is in the bad range, and to what cannot be read before that. It returns
// false if there is neither.
func (e *events) oneByOne(seq uint64) bool {
	e.gone = span{}
	if e.bad.to-e.bad.from >= badNumber {
		e.gone = e.bad
		e.s.damage.add(e.gone)
		return true
	}
	for left := singles; seq >= e.bad.from && seq <= e.bad.to; {
		if e.gone != (span{}) {
			if left--; left == 0 {
				break
			}
		}
		last, err := e.ask(seq)
		switch {
		case err != nil && !isCorrupt(err):
			e.err = err
			return false
		case err != nil:
			e.lose(seq, last)
		case e.value != nil && e.gone == (span{}):
			e.seq = seq
			return true
		case e.value != nil:
			return true // first what cannot be read before it
		}
		if e.back && last == 0 {
			break
		}
		seq = last + 1
		if e.back {
			seq = last - 1
		}
	}
	return e.gone != (span{})
}

// ask reads one record, if it is not known to be unreadable. It returns the last number for which the answer is the same.
func (e *events) ask(seq uint64) (last uint64, err error) {
	if s, ok := e.s.damage.at(seq); ok {
		e.value = nil
		return min(max(s.end(e.back), e.bad.from), e.bad.to), errLost
	}
	e.value, err = e.single(seq)
	return seq, err
}

// lose adds numbers to what cannot be read.
func (e *events) lose(first, last uint64) {
	s := span{min(first, last), max(first, last)}
	if e.gone != (span{}) {
		s = span{min(s.from, e.gone.from), max(s.to, e.gone.to)}
	}
	e.gone = s
	e.s.damage.add(s)
}
