package disklog_test

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// death is the way in which the life of a log ended.
type death int

const (
	closed  death = iota
	crashed       // with SyncAlways
	lossy         // with SyncInterval
)

// check compares a log that was opened again with what its clients know. Nothing else uses the log meanwhile.
type check struct {
	t     testing.TB
	log   *disklog.Log
	h     *history
	after uint64 // records up to here were checked before and are skipped
	young uint64 // records up to here were checked by topic, and only some are checked again
	rand  *rand.Rand
	rules *eventlog.Retention // with defaults
	now   time.Time           // the time for retention

	records []eventlog.Record // all readable records after after
}

// resume checks a log that was opened again. It adds records to the history that the log has and the clients did not know.
func (c *check) resume(how death) {
	c.t.Helper()
	if c.h.gen == "" {
		c.h.gen = c.log.Head().Gen
	}
	c.h.settle()
	head := c.log.Head()
	if head.Gen != c.h.gen || head.Seq < c.h.used {
		c.t.Fatalf("the head is %v; it was %s-%d", head, c.h.gen, c.h.used)
	}
	var gap *eventlog.GapError
	c.records, gap = c.read(eventlog.Everything(), c.after)
	last := c.see()
	switch {
	case how == lossy && head.Seq > max(last, c.h.hole):
		c.lose(last)
	case c.h.script.trims:
	case (gap != nil) != (c.h.hole > c.after) || gap != nil && (gap.Reason != eventlog.Rollback || gap.To.Seq != c.h.hole):
		c.t.Fatalf("after %d: %v, and there may be losses up to %d", c.after, gap, c.h.hole)
	}
	c.batchesAreWhole()
	c.h.settle()
	c.h.used = max(c.h.used, c.log.Head().Seq)
	if c.h.script.trims {
		c.retained()
		return
	}
	c.known()
	c.bounds()
	c.byTopic()
	c.byRule()
	c.lookup()
}

// read reads all records that a selector selects after a number, and returns the last gap.
func (c *check) read(sel eventlog.Selector, after uint64) (records []eventlog.Record, told *eventlog.GapError) {
	c.t.Helper()
	q := eventlog.Query{Selector: sel, After: eventlog.Position{Gen: c.h.gen, Seq: after}, Limit: 500 + c.rand.IntN(3000)}
	for {
		answer, err := c.log.Read(c.t.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok && gap.To.Seq > max(q.Told, q.After.Seq) {
			told, q = gap, gap.Partial(q)
			continue
		} else if err != nil {
			c.t.Fatalf("reading after %v, told up to %d: %v", q.After, q.Told, err)
		}
		records = append(records, answer.Records...)
		if q.After = answer.Complete; q.After == c.log.Head() {
			return records, told
		}
	}
}

// see checks each record by itself, and returns the number of the last.
func (c *check) see() uint64 {
	c.t.Helper()
	last := eventlog.Record{Seq: c.after}
	for _, rec := range c.records {
		if err := c.h.saw(&rec); err != nil {
			c.t.Fatal(err)
		}
		if rec.Seq <= last.Seq || rec.Time.Before(last.Time) {
			c.t.Fatalf("number %d of %v follows %d of %v", rec.Seq, rec.Time, last.Seq, last.Time)
		}
		last = rec
	}
	return last.Seq
}

// lose removes from the history the records that the log has lost in a crash: the newest ones, without gaps between them. Readers that have
// seen more must get a gap.
func (c *check) lose(last uint64) {
	c.t.Helper()
	head := c.log.Head()
	c.h.drop(last)
	c.h.hole = head.Seq
	newest := max(c.h.used, last)
	for _, cursor := range []uint64{newest, last, newest - c.rand.Uint64N(newest-last+1), last - c.rand.Uint64N(last-c.after+1)} {
		if cursor == head.Seq {
			continue
		}
		rest, gap := c.read(eventlog.Everything(), cursor)
		if gap == nil || gap.Reason != eventlog.Rollback || gap.To != head || gap.From.Seq != cursor {
			c.t.Fatalf("a reader at %d, after a crash that may have lost all from %d up to %v, gets %v", cursor, last+1, head, gap)
		}
		if n := len(c.records) - c.index(cursor+1); len(rest) != n {
			c.t.Fatalf("a reader at %d gets %d records after the gap, not %d", cursor, len(rest), n)
		}
	}
	if _, gap := c.read(eventlog.Everything(), head.Seq); gap != nil {
		c.t.Fatalf("a reader at the head gets %v", gap)
	}
}

// index returns the index of the first record that is not before a number.
func (c *check) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(c.records, seq, func(r eventlog.Record, seq uint64) int { return cmp.Compare(r.Seq, seq) })
	return i
}

// batchesAreWhole checks that each batch is in the log completely and in one piece, or not at all.
func (c *check) batchesAreWhole() {
	c.t.Helper()
	if c.h.script.trims { // retention removes old records; those of unanswered batches are new
		for name := range c.h.seen {
			for _, other := range c.h.script.batch(name.client, name.n).ids {
				if _, ok := c.h.seen[other]; !ok {
					c.t.Fatalf("the log has %v of a batch and not %v", name, other)
				}
			}
		}
		return
	}
	want := 0
	for i, rec := range c.records {
		b, name := c.h.script.find(&rec)
		if name.j != want {
			c.t.Fatalf("at %d there is %v, and not record %d of a batch", rec.Seq, name, want)
		}
		if want++; want == len(b.ids) {
			want = 0
		} else if i == len(c.records)-1 {
			c.t.Fatalf("the batch of %v at %d has no end", name, rec.Seq)
		} else if _, next := c.h.script.find(&c.records[i+1]); next != b.ids[want] {
			c.t.Fatalf("%v is followed by %v", name, next)
		}
	}
}

// known checks that each record that the clients know has the position that they know.
func (c *check) known() {
	c.t.Helper()
	n := 0
	for name, p := range c.h.places {
		if p.seq <= c.after {
			continue
		}
		n++
		if i := c.index(p.seq); i == len(c.records) || c.records[i].Seq != p.seq {
			c.t.Fatalf("%v is not there, and was acknowledged or read at %v", name, p)
		} else if _, there := c.h.script.find(&c.records[i]); there != name {
			c.t.Fatalf("at %v the log has %v, want %v", p, there, name)
		}
	}
	if n != len(c.records) {
		c.t.Fatalf("of %d records, %d are known", len(c.records), n)
	}
}

// bounds checks Bounds.
func (c *check) bounds() {
	c.t.Helper()
	if c.after > 0 {
		return
	}
	want := eventlog.Bounds{Head: c.log.Head(), Trimmed: c.h.hole, Events: int64(len(c.records))}
	for i := range c.records {
		want.Bytes += int64(c.records[i].Size())
	}
	if len(c.records) > 0 {
		want.First = c.records[0].Seq
	}
	if got := c.log.Bounds(); got != want {
		c.t.Fatalf("bounds are %+v, want %+v", got, want)
	}
}

// byTopic compares the index with the records.
func (c *check) byTopic() {
	c.t.Helper()
	topics := make(map[string][]uint64)
	for _, rec := range c.records {
		for _, topic := range rec.Topics {
			topics[topic] = append(topics[topic], rec.Seq)
		}
	}
	for topic, want := range topics {
		after := c.after
		if c.skipSimilar() {
			after = max(c.after, min(c.young, c.log.Head().Seq))
		}
		records, _ := c.read(eventlog.Topics(topic), after)
		first, _ := slices.BinarySearch(want, after+1)
		if got := numbers(records); !slices.Equal(got, want[first:]) {
			c.t.Fatalf("topic %q has %v, want %v", topic, got, want)
		}
	}
}

// byRule checks reads by several topics and patterns.
func (c *check) byRule() {
	c.t.Helper()
	for _, sel := range []eventlog.Selector{
		eventlog.Select(nil, eventlog.MustPattern("**")),
		eventlog.Select([]string{"all"}, eventlog.MustPattern("own/1/*"), eventlog.MustPattern("once/**")),
		eventlog.Topics("all", "plain/1", "count/1"),
	} {
		var want []uint64
		for i := range c.records {
			if sel.MatchRecord(&c.records[i]) {
				want = append(want, c.records[i].Seq)
			}
		}
		records, _ := c.read(sel, c.after)
		if got := numbers(records); !slices.Equal(got, want) {
			c.t.Fatalf("topics %q and patterns %v have %v, want %v", sel.Names(), sel.Matchers(), got, want)
		}
	}
}

// lookup checks Lookup.
func (c *check) lookup() {
	c.t.Helper()
	newest := make(map[string]uint64)
	for _, rec := range c.records {
		newest[rec.ID] = rec.Seq
	}
	delete(newest, "")
	for name, want := range maps.All(newest) {
		got, ok, err := c.log.Lookup(c.t.Context(), name)
		if err != nil || !ok || got.Seq != want {
			c.t.Fatalf("%q is at %v, %v, %v, want %d", name, got, ok, err, want)
		}
	}
}

// skipSimilar reports whether to skip one of many similar checks.
func (c *check) skipSimilar() bool { return raced && c.rand.IntN(10) > 0 }

func numbers(records []eventlog.Record) []uint64 {
	seqs := make([]uint64, 0, len(records))
	for i := range records {
		seqs = append(seqs, records[i].Seq)
	}
	return seqs
}
