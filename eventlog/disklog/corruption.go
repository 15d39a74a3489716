package disklog

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
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
// To read a damaged block is expensive: Pebble 2.1.7 tries whether any single bit makes its checksum right, which takes 13
// ms for 4 KiB, and half a minute for each MiB. Therefore the log remembers what is damaged, and does not read it again; blocks in
// corruption_reads.go, records and topics here.
//
// Pebble's iterators stop at a damaged block, and not only for those who want what is in it: each looks for its next key in
// every level. What helps is in corruption_blocks.go and corruption_events.go.

// isCorrupt reports whether an error says that something stored makes no sense.
func isCorrupt(err error) bool {
	return err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, eventlog.ErrCorrupt))
}

// typed makes an error of damage one of package eventlog, in one line: Pebble's bring more. Others it leaves alone.
func typed(err error) error {
	if !isCorrupt(err) {
		return err
	}
	return asDamage(err)
}

// asDamage is typed for an error that comes from damage, whatever it is.
func asDamage(err error) error {
	if errors.Is(err, eventlog.ErrCorrupt) {
		return err
	}
	if file, ok := errors.AsType[*guard.CorruptError](err); ok {
		return &eventlog.CorruptError{What: file.File, Offset: int(file.Offset), Reason: file.Reason}
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return corrupt("store", text)
}

// span is a range of sequence numbers, both ends included. The zero span is none.
type span struct{ from, to uint64 }

// damage is what is known of a store to be unreadable. It is found by those who read, and not kept on disk: the next store
// may have found a disk in better health.
type damage struct {
	log *slog.Logger
	dir string

	found   atomic.Bool   // anything
	changes atomic.Uint64 // of what is lost

	mu     sync.Mutex // guards the following fields
	files  map[string]struct{}
	lost   spans               // numbers whose records cannot be read
	topics map[string]struct{} // whose index cannot be read, or some of them
}

// topicsDamaged is how many topics are remembered. Others are tried again by each reader.
const topicsDamaged = 10_000

// report writes to the log that a file is damaged, once for each.
func (d *damage) report(file string, err error) {
	d.mu.Lock()
	d.found.Store(true)
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

// at returns the range of lost numbers that one is in.
func (d *damage) at(n uint64) (span, bool) {
	if !d.found.Load() {
		return span{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost.at(n)
}

// add remembers that numbers are lost.
func (d *damage) add(s span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found.Store(true)
	d.lost.add(s)
	d.changes.Add(1)
}

// split cuts a range at the first place, in a direction, where numbers that are lost and others meet.
func (d *damage) split(s span, back bool) (near, rest span) {
	if !d.found.Load() {
		return s, span{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost.split(s, back)
}

// index reports whether the index of one of these topics is known to be damaged.
func (d *damage) index(topics []string) bool {
	if !d.found.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(topics, func(topic string) bool { _, ok := d.topics[topic]; return ok })
}

// addIndex remembers that the index of a topic is damaged.
func (d *damage) addIndex(topic string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found.Store(true)
	if d.topics == nil {
		d.topics = make(map[string]struct{})
	}
	if len(d.topics) < topicsDamaged {
		d.topics[topic] = struct{}{}
	}
}

// forget is for when numbers come to mean something else.
func (d *damage) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost, d.topics = nil, nil
	d.changes.Add(1)
}

// spans are ranges in order, with something in between.
type spans []span

// at returns the range that a number is in.
func (s spans) at(n uint64) (span, bool) {
	i, _ := slices.BinarySearchFunc(s, n, func(s span, n uint64) int {
		if s.to < n {
			return -1
		}
		return 1
	})
	if i < len(s) && s[i].from <= n {
		return s[i], true
	}
	return span{}, false
}

// split cuts a range at the first border of one of the others, in a direction. What is left is zero if there is none.
func (s spans) split(a span, back bool) (near, rest span) {
	cut := uint64(0) // the first number of the upper part
	for _, known := range s {
		for _, border := range [2]uint64{known.from, known.to + 1} {
			if border > a.from && border <= a.to && (cut == 0 || back) {
				cut = border
			}
		}
	}
	switch {
	case cut == 0:
		return a, span{}
	case back:
		return span{cut, a.to}, span{a.from, cut - 1}
	}
	return span{a.from, cut - 1}, span{cut, a.to}
}

// add adds a range, and makes one of those that meet.
func (s *spans) add(a span) {
	i, _ := slices.BinarySearchFunc(*s, a.from, func(s span, from uint64) int {
		if s.to+1 < from {
			return -1
		}
		return 1
	})
	j := i
	for ; j < len(*s) && (*s)[j].from <= a.to+1; j++ {
		a = span{min(a.from, (*s)[j].from), max(a.to, (*s)[j].to)}
	}
	*s = slices.Replace(*s, i, j, a)
}

// exact reads the value of one key past damaged blocks: of tables that say they do not have it no block is read. It is nil
// if there is none.
func (v *view) exact(key []byte, o *pebble.IterOptions) (value []byte, err error) {
	if v.one != nil {
		err = v.one.Close()
		v.one = nil
	}
	if err == nil || isCorrupt(err) {
		o.LowerBound, o.UpperBound = slices.Clone(key), append(slices.Clone(key), 0)
		v.one, err = v.it.Clone(pebble.CloneOptions{IterOptions: o})
	}
	if err != nil {
		return nil, err
	}
	if !only(v.one, key) {
		return nil, v.one.Error()
	}
	return v.one.ValueAndErr()
}

// only goes to the only key in the bounds of an iterator. First by the filters of tables: of those that say they do not have
// it no block is read. But it may be a filter that is damaged.
func only(it *pebble.Iterator, key []byte) bool {
	return it.SeekPrefixGE(key) || isCorrupt(it.Error()) && it.First()
}

// single reads one record past damaged blocks.
func (v *view) single(seq uint64) (value []byte, err error) {
	if _, lost := v.s.damage.at(seq); lost {
		return nil, errLost
	}
	v.key = eventKey(v.key[:0], seq)
	value, err = v.exact(v.key, v.s.damage.recordsIn(span{seq, seq}))
	if isCorrupt(err) {
		v.s.damage.add(span{seq, seq})
	} else if err == nil && value == nil {
		err = errNoRecord
	}
	return value, err
}

// noteIndex finds out for which of some topics the index cannot be read.
func (a *answer) noteIndex(topics []string) {
	for _, topic := range topics {
		if err := a.collectTopic(&found{limit: a.q.Limit, end: a.head}, topic, a.complete); isCorrupt(err) {
			a.s.damage.addIndex(topic)
		}
	}
}

var (
	errLost     = corrupt("record", "its block is damaged")
	errNoRecord = corrupt("index", "it names a record that is not there")
)

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
		Err: typed(err),
	}
}
