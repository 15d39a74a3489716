package load

import "slices"

// tally is what a subscriber has of one publisher on one topic. All before next was seen, except for the holes.
type tally struct {
	next  uint32
	holes []span
}

// span is the numbers from, from+1, … to-1.
type span struct{ from, to uint32 }

type verdict int

const (
	inOrder verdict = iota
	late            // after one that was published after it
	again           // seen before
)

// see counts number seq.
func (t *tally) see(seq uint32) verdict {
	if seq >= t.next {
		if seq > t.next {
			t.holes = append(t.holes, span{t.next, seq})
		}
		t.next = seq + 1
		return inOrder
	}
	for i, h := range t.holes {
		if h.from <= seq && seq < h.to {
			t.holes = slices.Replace(t.holes, i, i+1, h.without(seq)...)
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

// lost returns how many of the first end numbers were not seen. Those in refused were never promised to anybody.
func (t *tally) lost(end uint32, refused []span) (n int64) {
	if len(t.holes) == 0 && t.next >= end {
		return 0
	}
	for _, h := range append(slices.Clip(t.holes), span{t.next, max(end, t.next)}) {
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
