package ordertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Expect has the conditions of a history in addition to the promises that always hold.
type Expect struct {
	// Lossless says that nothing was done that loses records or replaces the order: then no subscriber gets a gap.
	Lossless bool

	// EndAge and KeyAge are how long an end holds and a key is known, in record time. 0: longer than the history. Negative: the time is not
	// known, so the check expects nothing.
	EndAge, KeyAge time.Duration
}

// Violation is a broken promise. Its letter names the promise:
//
//	A  a position has the same content everywhere
//	B  positions rise in each stream, except after a gap because of a reset
//	C  a subscriber gets every event that matches, or a gap
//	D  a subscriber gets no event twice
//	E  an acknowledged event is in the log of every hub at the end
//	F  an event that was acknowledged before another one was sent has the lower number; an event is seen at most once, and not before it was sent
//	G  a key stands for one event, and every answer names it
//	H  nothing comes after the end of a topic
//	I  all hubs have the same records at the end, and the same digest
//	J  no subscriber gets a gap if nothing was lost
//
// They allow for records that the order has lost, if a generation began afterwards: see [Lost].
type Violation struct {
	Letter string
	Text   string
}

func (v Violation) String() string { return v.Letter + ": " + v.Text }

// Report is the result of a check.
type Report struct {
	Violations []Violation // at most 100

	Publishes, Acknowledged, Unknown, Events, Gaps, Subscribers, Generations int

	// The promise K, availability, is a number: the longest time between two acknowledgements, and between two events that any
	// subscriber got.
	LongestWithoutAnswer, LongestWithoutEvent time.Duration
}

const mostViolations = 100

// Check checks a history. The lines of each client are in order; those of different clients may be mixed. It takes time
// proportional to n log n.
func Check(h History, e Expect) *Report {
	c := newChecker(h, e)
	c.dumps()
	c.answers()
	c.realTime()
	c.keys()
	c.ends()
	c.streams()
	c.availability()
	return &c.Report
}

// checker is a history, sorted by kind of line.
type checker struct {
	Report
	Expect

	publishes []*Line
	clients   map[string][]*Line // of subscribers, in order
	hubs      []*hubDump

	gens   map[string]int // index of a generation
	losses []loss

	sent  map[string]*sending // by data
	known map[uint64]*known   // the events at the end, and the received events that must exist at the end
	order []*known            // by number
}

// loss describes the records that the order lost before a generation began. Until then, hubs may have given the numbers above after to other
// records, or their decisions on these may depend on lost records.
type loss struct {
	gen   int // the first one that began afterwards
	after uint64
}

// sending is when an event was sent.
type sending struct {
	Sent
	first time.Duration
}

type known struct {
	seq   uint64
	event *Sent
	time  time.Time
	where string
}

// hubDump is the content of a hub at the end.
type hubDump struct {
	*Line
	records map[uint64]*known
}

func newChecker(h History, e Expect) *checker {
	c := &checker{Expect: e, clients: map[string][]*Line{}, gens: map[string]int{}, sent: map[string]*sending{}, known: map[uint64]*known{}}
	var begins, lost []*Line
	for i := range h {
		switch l := &h[i]; l.Kind {
		case Publish:
			c.publish(l)
		case Open, Event, Checkpoint, Gap, End, Retry, Close:
			c.clients[l.Client] = append(c.clients[l.Client], l)
		case Begin:
			if _, twice := c.gens[l.Gen]; !twice {
				c.gens[l.Gen] = len(begins)
				begins = append(begins, l)
			}
		case Lost:
			lost = append(lost, l)
		case Dump:
			c.hubs = append(c.hubs, &hubDump{l, map[uint64]*known{}})
		}
	}
	for _, l := range lost {
		after := slices.IndexFunc(begins, func(b *Line) bool { return b.Start >= l.Start })
		c.losses = append(c.losses, loss{after, l.After})
	}
	c.Generations, c.Subscribers = len(begins), len(c.clients)
	for i := range h {
		if l := &h[i]; l.Kind == Record {
			c.record(l)
		}
	}
	return c
}

func (c *checker) publish(l *Line) {
	c.publishes = append(c.publishes, l)
	c.Publishes++
	for i := range l.Sent {
		s := &l.Sent[i]
		if at := c.sent[s.Data]; at == nil {
			c.sent[s.Data] = &sending{*s, l.Start}
		} else {
			at.first = min(at.first, l.Start)
		}
	}
}

// record adds a record of a hub at the end.
func (c *checker) record(l *Line) {
	for _, hub := range c.hubs {
		if hub.Hub == l.Hub {
			_, seq, ok := c.position(l.ID)
			if !ok {
				c.fail("I", "hub %s has a record at %q", l.Hub, l.ID)
			}
			hub.records[seq] = &known{seq, l.Event, l.Time, "at the end on hub " + l.Hub}
			return
		}
	}
	c.fail("I", "there is a record of hub %s and no dump", l.Hub)
}

func (c *checker) fail(letter, format string, args ...any) {
	if len(c.Violations) < mostViolations {
		c.Violations = append(c.Violations, Violation{letter, fmt.Sprintf(format, args...)})
	}
}

// position parses a position. ok is false if its generation is not in force at the end: it was lost again.
func (c *checker) position(id string) (gen int, seq uint64, ok bool) {
	p, err := eventlog.ParsePosition(id)
	if err != nil {
		return 0, 0, false
	}
	gen, ok = c.gens[p.Gen]
	return gen, p.Seq, ok
}

// settled returns the number of a position, and whether that number has never been used for anything else.
func (c *checker) settled(id string) (seq uint64, ok bool) {
	gen, seq, ok := c.position(id)
	return seq, ok && c.keeps(gen, seq)
}

// keeps reports whether nothing was lost that had this number in a generation.
func (c *checker) keeps(gen int, seq uint64) bool {
	return !slices.ContainsFunc(c.losses, func(l loss) bool { return gen < l.gen && l.after < seq })
}

func equal(a, b *Sent) bool {
	return a.Data == b.Data && a.End == b.End && slices.Equal(a.Topics, b.Topics)
}
