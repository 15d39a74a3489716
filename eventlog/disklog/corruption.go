package disklog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// A damaged disk takes a block here and there: some records, or some entries of the index. What follows from that is kept as
// small as it can be:
//
//   - A record that cannot be read is a gap to those whose record it is. They are told once, and read on.
//   - Where the index cannot be read, the records are looked through. They name their topics, and nobody misses anything.
//   - Where what a topic has lost cannot be read, it counts as having lost as much as any.
//   - An append that would need to know what cannot be read is refused; the others are not.
//   - Trimming steps over it.
//
// Pebble's iterators stop at a damaged block, and not only for those who want what is in it: each looks for its next key in
// every level, so that a block which begins later stands in the way of all that is before it in another level. Therefore the numbers
// around a damaged block are asked for one by one, where a filter tells Pebble that most of its tables need not be read.

// isCorrupt reports whether an error says that something stored makes no sense.
func isCorrupt(err error) bool {
	return err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, eventlog.ErrCorrupt))
}

// span is a range of sequence numbers, both ends included. The zero span is none.
type span struct{ from, to uint64 }

// damage is what is known of a store to be unreadable. It is found by those who read, and not kept on disk: the next store
// may have found a disk in better health.
type damage struct {
	log *slog.Logger
	dir string

	mu    sync.Mutex // guards the following fields
	files map[string]struct{}
	lost  []span // in order, with something in between
}

// report writes to the log that a file is damaged, once for each.
func (d *damage) report(file string, err error) {
	d.mu.Lock()
	_, known := d.files[file]
	if !known {
		if d.files == nil {
			d.files = make(map[string]struct{})
		}
		d.files[file] = struct{}{}
	}
	d.mu.Unlock()
	if !known {
		d.log.Error("a file of the log is damaged; what it had is skipped and readers are told; see to the disk, "+
			"and restore the log from a copy if that matters", "dir", d.dir, "file", file, "err", err.Error()) // not the error itself, which brings its stack
	}
}

// any reports whether anything is known to be damaged.
func (d *damage) any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.files) > 0
}

// at returns the unreadable range that a number is in.
func (d *damage) at(n uint64) (span, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := slices.BinarySearchFunc(d.lost, n, func(s span, n uint64) int {
		if s.to < n {
			return -1
		}
		return 1
	})
	if i < len(d.lost) && d.lost[i].from <= n {
		return d.lost[i], true
	}
	return span{}, false
}

// add notes that what is in a range cannot be read.
func (d *damage) add(s span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := slices.BinarySearchFunc(d.lost, s.from, func(known span, from uint64) int {
		if known.to+1 < from {
			return -1
		}
		return 1
	})
	j := i
	for ; j < len(d.lost) && d.lost[j].from <= s.to+1; j++ {
		s = span{min(s.from, d.lost[j].from), max(s.to, d.lost[j].to)}
	}
	d.lost = slices.Replace(d.lost, i, j, s)
}

// exact reads the value of one key past damaged blocks. It is nil if there is none.
func (v *view) exact(key []byte) (value []byte, err error) {
	if v.one == nil {
		v.one, err = v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{UseL6Filters: true}})
		if err != nil {
			return nil, err
		}
	}
	if !v.one.SeekPrefixGE(key) || !bytes.Equal(v.one.Key(), key) {
		return nil, v.one.Error()
	}
	return v.one.ValueAndErr()
}

// single reads one record past damaged blocks. It is nil if there is none.
func (v *view) single(seq uint64) (value []byte, err error) {
	if _, lost := v.s.damage.at(seq); lost {
		return nil, errLost
	}
	v.key = eventKey(v.key[:0], seq)
	if value, err = v.exact(v.key); isCorrupt(err) {
		v.s.damage.add(span{seq, seq})
	}
	return value, err
}

var errLost = corrupt("record", "its block is damaged")

// missing is gap, for a view in which that may be unreadable: then all of the selected topics count as having lost as much
// as any.
func (v *view) missing(ctx context.Context, sel *eventlog.Selector, from eventlog.Position, after uint64) (*eventlog.GapError, error) {
	gap, err := v.gap(ctx, sel, from, after)
	if !isCorrupt(err) {
		return gap, err
	}
	to, _ := v.s.hole(after)
	to = max(to, above(max(v.trim.trimmed, v.trim.floor), after))
	if to == 0 {
		return nil, nil
	}
	return &eventlog.GapError{Reason: eventlog.Corrupt, From: from, To: v.s.at(to)}, nil
}

// unreadable is the error of an append that would need to know what cannot be read.
func unreadable(err error) error {
	if !isCorrupt(err) {
		return err
	}
	return &eventlog.UnavailableError{
		Reason: "what it knows of this topic or key cannot be read, and nothing was stored; see to the disk, " +
			"restore the log from a copy, or use another topic",
		Err: err,
	}
}
