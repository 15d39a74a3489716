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

// Damage on disk usually affects a few blocks: some records or some index entries. The consequences are kept small:
//
//   - An unreadable record is a gap, reported once to the readers that select it.
//   - Where the index is unreadable, reads scan the records instead, which name their topics.
//   - Where the state of a topic is unreadable, the topic counts as having lost as much as any other topic.
//   - Appends that depend on something unreadable are refused; others succeed.
//   - Trimming skips unreadable records.
//
// Reading a damaged block is slow (see package guard), so the log remembers damaged records and topics.
//
// A Pebble iterator merges all levels. It fails at every damaged block in its way, even at one without a key that it looks for.
// corruption_blocks.go and corruption_events.go work around that.

// isCorrupt reports whether an error says that stored data is damaged.
func isCorrupt(err error) bool {
	return err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, eventlog.ErrCorrupt))
}

// typed converts an error about damage to an *eventlog.CorruptError, and returns others as they are.
func typed(err error) error {
	if !isCorrupt(err) {
		return err
	}
	return asDamage(err)
}

// asDamage converts any error to an *eventlog.CorruptError, with the first line of its text.
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

// span is a range of sequence numbers, including both ends. The zero span is empty.
type span struct{ from, to uint64 }

// damage holds the records and topics that are known to be unreadable. Reads find them. It is not stored, because the disk may work again at
// the next start.
type damage struct {
	log    *slog.Logger
	dir    string
	mirror bool

	found   atomic.Bool   // there is any damage
	changes atomic.Uint64 // counts changes of lost

	mu     sync.Mutex // guards the following fields
	files  map[string]struct{}
	lost   spans               // numbers of unreadable records
	topics map[string]struct{} // topics with an unreadable index, or some of them
}

// topicsDamaged is how many topics are remembered. Reads of other damaged topics find the damage again.
const topicsDamaged = 10_000

// report logs that a file is damaged, once per file.
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
		remedy := "unreadable records are reported to readers as gaps; check the disk, and restore the log from a copy if that matters"
		if d.mirror {
			remedy = "check the disk; a copy of another mirror has everything"
		}
		d.log.Error("a file of the log is damaged; "+remedy, "dir", d.dir, "file", file, "err", err.Error()) // the text, because the error would add its stack
	}
}

// at returns the range of lost numbers that contains n.
func (d *damage) at(n uint64) (span, bool) {
	if !d.found.Load() {
		return span{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost.at(n)
}

// add marks numbers as lost.
func (d *damage) add(s span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found.Store(true)
	d.lost.add(s)
	d.changes.Add(1)
}

// split cuts a range at the first border, in a direction, between lost numbers and others.
func (d *damage) split(s span, back bool) (near, rest span) {
	if !d.found.Load() {
		return s, span{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost.split(s, back)
}

// index reports whether one of these topics has an index that is known to be damaged.
func (d *damage) index(topics []string) bool {
	if !d.found.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(topics, func(topic string) bool { _, ok := d.topics[topic]; return ok })
}

// addIndex marks the index of a topic as damaged.
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

// forget drops all known damage, because a new generation uses the sequence numbers for other records.
func (d *damage) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost, d.topics = nil, nil
	d.changes.Add(1)
}

// spans are sorted ranges that do not touch.
type spans []span

// at returns the range that contains n.
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

// split cuts a range at the first border of the spans, in a direction. rest is the zero span if there is none.
func (s spans) split(a span, back bool) (near, rest span) {
	cut := uint64(0) // first number of the upper part
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

// add adds a range and merges ranges that touch.
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

// exact returns the value of one key, avoiding damaged blocks where filters allow it; nil if there is none.
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

// only moves an iterator to the only key in its bounds. It first asks the filters of tables, which avoids reading blocks of tables
// without the key. If a filter is damaged itself, it searches without them.
func only(it *pebble.Iterator, key []byte) bool {
	return it.SeekPrefixGE(key) || isCorrupt(it.Error()) && it.First()
}

// single reads one record, avoiding damaged blocks.
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

// noteIndex finds out which topics have an unreadable index.
func (a *answer) noteIndex(topics []string) {
	for _, topic := range topics {
		if err := a.collectTopic(&found{limit: a.q.Limit, end: a.head}, topic, a.complete); isCorrupt(err) {
			a.s.damage.addIndex(topic)
		}
	}
}

var (
	errLost     = corrupt("record", "its block is damaged")
	errNoRecord = corrupt("index", "it names a record that does not exist")
)

// missing is gap for a view whose states may be unreadable. Then each selected topic counts as having lost as much as any other topic.
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

// unreadable converts the error of an append that depends on something unreadable.
func unreadable(err error) error {
	if !isCorrupt(err) {
		return err
	}
	return &eventlog.UnavailableError{
		Reason: "the state of this topic or key is damaged, and nothing was stored; check the disk, " +
			"restore the log from a copy, or use another topic",
		Err: typed(err),
	}
}
