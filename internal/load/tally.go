package load

import "slices"

// tally records which sequence numbers of one publisher on one topic a subscriber has received: all numbers below next,
// except those in gaps.
type tally struct {
	next uint32
	gaps []span
}

// span is the range of numbers from, from+1, … to-1.
type span struct{ from, to uint32 }

type verdict int

const (
	inOrder verdict = iota
	late            // after a higher number
	again           // a duplicate
)

// see records number seq and returns how it arrived.
func (t *tally) see(seq uint32) verdict {
	if seq >= t.next {
		if seq > t.next {
			t.gaps = append(t.gaps, span{t.next, seq})
		}
		t.next = seq + 1
		return inOrder
	}
	for i, h := range t.gaps {
		if h.from <= seq && seq < h.to {
			t.gaps = slices.Replace(t.gaps, i, i+1, h.without(seq)...)
			return late
		}
	}
	return again
}

func (s span) without(seq uint32) (left []span) {
	for _, part := range []span{{s.from, seq}, {seq + 1, s.to}} {
		if part.from < part.to {
			left = append(left, part)
		}
	}
	return left
}

// lost returns how many numbers below end are missing. It does not count numbers in refused, which the hub may not have
// published.
func (t *tally) lost(end uint32, refused []span) (n int64) {
	if len(t.gaps) == 0 && t.next >= end {
		return 0
	}
	for _, h := range append(slices.Clip(t.gaps), span{t.next, max(end, t.next)}) {
		n += int64(h.to - h.from)
		for _, r := range refused {
			n -= h.overlap(r)
		}
	}
	return n
}

func (s span) overlap(o span) int64 {
	return max(0, int64(min(s.to, o.to))-int64(max(s.from, o.from)))
}
