package disklog_test

import (
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// The retention of these tests keeps more records per topic than appends in progress have. So it removes no record before a reader has seen
// it.
const (
	keepCount  = 150
	keepLatest = 120
	keepBytes  = 700 << 10
	keepAge    = 400 * time.Millisecond // of the clients' clock, which advances by 1 ms per append
)

func retention(age time.Duration) *eventlog.Retention {
	return &eventlog.Retention{
		Rules: []eventlog.Rule{
			{Pattern: eventlog.MustPattern("count/*"), Count: keepCount},
			{Pattern: eventlog.MustPattern("latest/*"), Latest: keepLatest},
			{Pattern: eventlog.MustPattern("age/*"), Age: age},
		},
		Bytes:  keepBytes,
		Topics: 30,
	}
}

// stored is a record that is known to have been stored. It may have been removed since.
type stored struct {
	*eventlog.Record
	place
	newer int64 // bytes of this record and all later ones
}

// retained checks what retention has left, before and after Trim.
func (c *check) retained() {
	c.t.Helper()
	for topic, records := range topicsOf(c.stored()) {
		if !c.skipSimilar() {
			c.retainedIn(topic, records, false)
		}
	}
	if err := c.log.Trim(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.records, _ = c.read(eventlog.Everything(), 0)
	readable, all := make(map[uint64]bool), true
	for topic, records := range topicsOf(c.stored()) {
		if c.rules.Rule(topic) == &c.rules.Rules[len(c.rules.Rules)-1] && c.skipSimilar() {
			all = false
			continue
		}
		for _, seq := range c.retainedIn(topic, records, true) {
			readable[seq] = true
		}
	}
	for _, rec := range c.records {
		if all && !readable[rec.Seq] {
			c.t.Fatalf("%d, in %q, can be read by none of its topics", rec.Seq, rec.Topics)
		}
		delete(readable, rec.Seq)
	}
	if len(readable) > 0 {
		c.t.Fatalf("the topics have more records than the log: %v", readable)
	}
	c.retainedBounds()
}

// stored returns all records, newest first.
func (c *check) stored() []*stored {
	all := make([]*stored, 0, len(c.h.places))
	for name, p := range c.h.places {
		all = append(all, &stored{Record: &c.h.script.batch(name.client, name.n).records[name.j], place: p})
	}
	slices.SortFunc(all, func(a, b *stored) int { return int(b.seq) - int(a.seq) })
	newer := int64(0)
	for _, s := range all {
		newer += int64(s.Size())
		s.newer = newer
	}
	return all
}

func topicsOf(all []*stored) map[string][]*stored {
	topics := make(map[string][]*stored)
	for _, s := range all {
		for _, topic := range s.Topics {
			topics[topic] = append(topics[topic], s)
		}
	}
	return topics
}

// retainedIn checks one topic, given all records that it ever had, newest first. It returns the numbers of those that exist.
func (c *check) retainedIn(topic string, all []*stored, strict bool) (seqs []uint64) {
	c.t.Helper()
	records, gap := c.read(eventlog.Topics(topic), 0)
	seqs = numbers(records)
	rule, rank := c.rules.Rule(topic), 0
	var lost uint64    // the newest number that a reader from the beginning must get a gap for
	superseded := true // whether all missing records are superseded
	for _, s := range all {
		if s.Flags&eventlog.End == 0 {
			rank++
		}
		counted := s.Flags&eventlog.End == 0 && rule.Count+rule.Latest > 0 && rank > rule.Count+rule.Latest
		old := rule.Age > 0 && c.now.Sub(s.time) > rule.Age
		squeezed := s.newer > c.rules.Bytes
		_, there := slices.BinarySearch(seqs, s.seq)
		switch {
		case there && strict && (counted || old):
			c.t.Fatalf("%d is still in %q, as number %d of %v", s.seq, topic, rank, s.time)
		case there:
			continue
		case !counted && !old && !squeezed:
			c.t.Fatalf("%d is not in %q any more, number %d of %v", s.seq, topic, rank, s.time)
		}
		superseded = superseded && rule.Latest > 0 && counted && !squeezed
		if lost == 0 && (rule.Latest == 0 || !counted) {
			lost = s.seq
		}
	}
	told := uint64(0)
	if gap != nil {
		told = gap.To.Seq
	}
	if told < lost || superseded && told > c.log.Bounds().Floor {
		c.t.Fatalf("topic %q has lost all records up to %d, and readers get: %v", topic, lost, gap)
	}
	return seqs
}

// retainedBounds checks Bounds.
func (c *check) retainedBounds() {
	c.t.Helper()
	got := c.log.Bounds()
	want := got
	want.Head, want.Events, want.Bytes = c.log.Head(), int64(len(c.records)), 0
	for i := range c.records {
		want.Bytes += int64(c.records[i].Size())
	}
	if len(c.records) > 0 {
		want.First = c.records[0].Seq
	}
	if got != want || got.Bytes > c.rules.Bytes {
		c.t.Fatalf("bounds are %+v, want %+v and at most %d bytes", got, want, c.rules.Bytes)
	}
}
