package disklog

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// events iterates over records in one direction and steps over damage. Each step stands at a record or at a range of unreadable
// ones.
//
// It begins with a window over everything. At a damaged block it halves the rest of the window, repeatedly. The last few numbers
// it reads one by one.
type events struct {
	*view
	ctx  context.Context // of the read
	back bool

	seq   uint64
	value []byte
	gone  span // the unreadable range, if the iterator is at one
	err   error

	window span
	it     *pebble.Iterator // over the window; nil: none is open
	todo   []span           // windows that follow, the next one last
}

const (
	// few is how many numbers are read one by one. A failed attempt to read them together costs as much as thousands of numbers.
	few = 64

	// lostAtOnce is the maximum number of unreadable records in one step.
	lostAtOnce = 4096
)

// events returns the iterator over records.
func (v *view) events(ctx context.Context) *events {
	if v.cursor == nil {
		v.cursor = &events{view: v}
	}
	v.cursor.ctx = ctx
	return v.cursor
}

// seekGE moves to the first record from a number on.
func (e *events) seekGE(seq uint64) bool {
	if e.covers(seq) { // moving an iterator is cheaper than opening one
		e.key = eventKey(e.key[:0], seq)
		if e.it.SeekGE(e.key) {
			return e.stand()
		}
		e.leave(span{seq, e.window.to})
		return e.err == nil && e.advance()
	}
	if e.begin(); seq <= e.head {
		e.todo = append(e.todo, span{seq, e.head})
	}
	return e.advance()
}

// seekLT moves to the last record before a number. Then next moves backwards.
func (e *events) seekLT(seq uint64) bool {
	e.begin()
	if e.back = true; seq > 1 {
		e.todo = append(e.todo, span{1, min(seq-1, e.head)})
	}
	return e.advance()
}

// covers reports whether the open window reaches from a number to the head.
func (e *events) covers(seq uint64) bool {
	return e.it != nil && e.err == nil && !e.back && e.gone == span{} && e.window.size() > 1 && e.window.from <= seq && seq <= e.head &&
		e.window.to == e.head
}

// widen opens a window over all records, for callers that seek often.
func (e *events) widen() {
	if e.begin(); e.head > 0 {
		e.todo = append(e.todo, span{1, e.head})
		e.open()
	}
}

func (e *events) begin() {
	e.todo, e.err, e.back, e.gone = e.todo[:0], nil, false, span{}
	e.close()
}

// next moves on. It returns false at the end and after an error.
func (e *events) next() bool {
	if e.gone == (span{}) {
		if e.window.size() > 1 && (e.back && e.it.Prev() || !e.back && e.it.Next()) {
			return e.stand()
		}
		e.leave(e.window.after(e.seq, e.back))
	}
	return e.advance()
}

// at returns the number it stands at; of an unreadable range, the first.
func (e *events) at() uint64 {
	if e.gone != (span{}) {
		return e.gone.from
	}
	return e.seq
}

// record moves past unreadable ranges.
func (e *events) record(ok bool) bool {
	for ; ok; ok = e.next() {
		if e.gone == (span{}) {
			return true
		}
	}
	return false
}

// stand reads the record at the iterator's position.
func (e *events) stand() bool {
	e.seq = seqOf(e.it.Key())
	e.value, e.err = e.it.ValueAndErr()
	return e.err == nil
}

// advance moves to the first record in the next windows, or to an unreadable range before it.
func (e *events) advance() bool {
	e.gone = span{}
	for n := 0; len(e.todo) > 0 && n < lostAtOnce; {
		if e.err = e.ctx.Err(); e.err != nil {
			return false
		}
		if lost := e.open(); lost {
			n++
			continue
		}
		if e.err != nil {
			return false
		}
		if e.first() {
			if e.gone == (span{}) {
				return e.stand()
			}
			e.todo = append(e.todo, e.window) // comes after the unreadable range
			e.close()
			return true
		}
		if lost := e.leave(e.window); lost {
			n++
		}
		if e.err != nil {
			return false
		}
	}
	return e.gone != (span{})
}

// open opens the next window up to the border of known damage. It reports whether the window itself is known to be lost.
func (e *events) open() (lost bool) {
	w := e.todo[len(e.todo)-1]
	e.todo = e.todo[:len(e.todo)-1]
	near, rest := e.s.damage.split(w, e.back)
	if rest != (span{}) {
		e.todo = append(e.todo, rest)
	}
	if _, lost = e.s.damage.at(near.from); lost {
		e.lose(near)
		return true
	}
	e.window = near
	e.it, e.err = e.view.it.Clone(pebble.CloneOptions{IterOptions: e.s.damage.recordsIn(near)})
	return false
}

// first moves to the first record of the window.
func (e *events) first() bool {
	switch {
	case e.window.size() == 1:
		e.key = eventKey(e.key[:0], e.window.from)
		return only(e.it, e.key)
	case e.back:
		return e.it.Last()
	default:
		return e.it.First()
	}
}

// leave closes the window, of which left was not read. If damage is the reason, it splits left into smaller windows, or reports a
// single number as lost.
func (e *events) leave(left span) (lost bool) {
	err := e.it.Error()
	e.close()
	switch {
	case err == nil || left == span{}:
		return false
	case !isCorrupt(err):
		e.err = err
		return false
	}
	e.s.damage.found.Store(true) // from now on windows use filters
	switch {
	case e.window.size() == 1:
		e.s.damage.add(e.window)
		e.lose(e.window)
		return true
	case left.size() <= few:
		for n := range left.size() {
			seq := left.to - n
			if e.back {
				seq = left.from + n
			}
			e.todo = append(e.todo, span{seq, seq})
		}
	default:
		middle := left.from + (left.to-left.from)/2
		near, far := span{left.from, middle}, span{middle + 1, left.to}
		if e.back {
			near, far = far, near
		}
		e.todo = append(e.todo, far, near)
	}
	return false
}

// lose adds numbers to the unreadable range.
func (e *events) lose(s span) {
	if e.gone != (span{}) {
		s = span{min(s.from, e.gone.from), max(s.to, e.gone.to)}
	}
	e.gone = s
}

func (e *events) close() {
	if e.it == nil {
		return
	}
	if err := e.it.Close(); err != nil && !isCorrupt(err) && e.err == nil {
		e.err = err
	}
	e.it = nil
}

func (s span) size() uint64 { return s.to - s.from + 1 }

// after returns the part of a range after a number, in a direction; the zero span if there is none.
func (s span) after(seq uint64, back bool) span {
	switch {
	case back && seq > s.from:
		return span{s.from, seq - 1}
	case !back && seq < s.to:
		return span{seq + 1, s.to}
	}
	return span{}
}
