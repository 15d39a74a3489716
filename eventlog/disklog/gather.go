package disklog

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tidings-sse/tidings/eventlog"
)

// errTooMany means that a walk met more topics than its limit.
var errTooMany = errors.New("too many topics")

// found collects sequence numbers and keeps the first limit of them, in forward or backward order.
type found struct {
	seqs  []uint64
	limit int
	back  bool
	end   uint64 // numbers beyond it are not wanted
}

// order compares numbers for slices.SortFunc.
func (f *found) order(a, b uint64) int {
	if f.back {
		a, b = b, a
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// wants reports whether a number may be among those that are kept.
func (f *found) wants(seq uint64) bool { return f.order(seq, f.end) <= 0 }

func (f *found) add(seq uint64) {
	f.seqs = append(f.seqs, seq)
	if len(f.seqs) >= 4*f.limit+1024 {
		f.cut()
	}
}

// cut sorts the numbers, removes duplicates and those beyond the limit.
func (f *found) cut() {
	slices.SortFunc(f.seqs, f.order)
	f.seqs = slices.Compact(f.seqs)
	if len(f.seqs) >= f.limit {
		f.seqs = f.seqs[:f.limit]
		f.end = f.seqs[f.limit-1]
	}
}

// gather searches the index for records of the selected topics after a number. It returns the numbers of the first limit records,
// and the number up to which they are complete. It visits at most walk topics for the selector's matchers.
func (v *view) gather(ctx context.Context, sel *eventlog.Selector, after uint64, limit, walk int) ([]uint64, uint64, error) {
	f := &found{limit: limit, end: v.head}
	err := v.collect(ctx, sel, f, after, walk)
	return f.seqs, f.end, err
}

// gatherBack is gather backwards: the last limit records before a number, newest first.
func (v *view) gatherBack(ctx context.Context, sel *eventlog.Selector, before uint64, limit, walk int) ([]uint64, uint64, error) {
	f := &found{limit: limit, back: true}
	err := v.collect(ctx, sel, f, before, walk)
	return f.seqs, f.end, err
}

func (v *view) collect(ctx context.Context, sel *eventlog.Selector, f *found, from uint64, walk int) error {
	for i, name := range sel.Names() {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := v.collectTopic(f, name, from); err != nil {
			return err
		}
	}
	for _, prefix := range sel.Prefixes() {
		if err := v.collectRule(ctx, sel, f, prefix, from, &walk); err != nil {
			return err
		}
	}
	f.cut()
	return nil
}

// collectTopic adds the records of one topic.
func (v *view) collectTopic(f *found, topic string, from uint64) error {
	if !f.back && v.s.marks.last(topic) <= from {
		return nil
	}
	v.key = appendName(v.key[:0], kindIndex, topic)
	prefix := v.key
	seek, next := func(seq uint64) bool { return v.it.SeekGE(appendSeq(prefix, seq+1)) }, v.it.Next
	if f.back {
		seek, next = func(seq uint64) bool { return v.it.SeekLT(appendSeq(prefix, seq)) }, v.it.Prev
	}
	n := 0
	for ok := seek(from); ok && bytes.HasPrefix(v.it.Key(), prefix); ok = next() {
		seq := seqOf(v.it.Key())
		if !f.wants(seq) {
			break
		}
		f.add(seq)
		if n++; n == f.limit {
			if f.wants(seq) {
				f.end = seq
			}
			break
		}
	}
	return v.it.Error()
}

// collectRule adds the records of the selected topics with a prefix.
func (v *view) collectRule(ctx context.Context, sel *eventlog.Selector, f *found, prefix string, from uint64, walk *int) error {
	under := appendEscaped([]byte{kindIndex}, prefix)
	next := under
	for v.it.SeekGE(next) && bytes.HasPrefix(v.it.Key(), under) {
		if *walk--; *walk < 0 {
			return errTooMany
		}
		if *walk%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		topic, _, ok := cutName(v.it.Key()[1:])
		if !ok {
			return corrupt("index", "a key is cut off")
		}
		next = appendName(next[:0:0], kindIndex, topic)
		next[len(next)-1]++ // after all keys of the topic, before all others
		if sel.Match(topic) {
			if err := v.collectTopic(f, topic, from); err != nil {
				return err
			}
		}
	}
	return v.it.Error()
}
