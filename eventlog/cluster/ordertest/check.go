package ordertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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

// dumps compares the hubs (I), and collects the known events.
func (c *checker) dumps() {
	lacks := uint64(0)
	for _, hub := range c.hubs {
		lacks = max(lacks, hub.Lacks)
	}
	for i, hub := range c.hubs {
		first := c.hubs[0]
		if hub.Digest != first.Digest {
			c.fail("I", "hub %s has the digest %s, hub %s has %s", hub.Hub, hub.Digest, first.Hub, first.Digest)
		}
		for seq, r := range hub.records {
			if other := first.records[seq]; i > 0 && seq > lacks && (other == nil || !equal(r.event, other.event) || !r.time.Equal(other.time)) {
				c.fail("I", "record %d is %+v on hub %s, and %+v on hub %s", seq, r.event, hub.Hub, other, first.Hub)
			}
			c.know(r)
		}
		for seq, r := range first.records {
			if seq > lacks && hub.records[seq] == nil {
				c.fail("I", "record %d of hub %s is missing on hub %s: %+v", seq, first.Hub, hub.Hub, *r.event)
			}
		}
	}
	for _, lines := range c.clients {
		for _, l := range lines {
			if l.Kind != Event {
				continue
			}
			if seq, ok := c.settled(l.ID); ok {
				c.know(&known{seq: seq, event: l.Event, where: "seen by " + l.Client + " on hub " + l.Hub})
			}
		}
	}
	for _, k := range c.known {
		c.order = append(c.order, k)
	}
	slices.SortFunc(c.order, func(a, b *known) int { return cmp.Compare(a.seq, b.seq) })
}

// know adds an event at a number, which must have one content (A).
func (c *checker) know(k *known) {
	other := c.known[k.seq]
	switch {
	case other == nil:
		c.known[k.seq] = k
	case !equal(k.event, other.event):
		c.fail("A", "number %d is %+v %s, and %+v %s", k.seq, *k.event, k.where, *other.event, other.where)
	case other.time.IsZero():
		other.time = k.time
	}
}

// answers checks that each acknowledged event exists at the end (E), and that each event exists once and was sent (F).
func (c *checker) answers() {
	for _, l := range c.publishes {
		if l.Outcome == Unknown {
			c.Unknown++
		}
		if l.Outcome != Stored {
			continue
		}
		c.Acknowledged++
		for i := range l.Sent {
			seq, ok := c.settled(l.IDs[i])
			if !ok {
				continue
			}
			for _, hub := range c.hubs {
				if r := hub.records[seq]; seq > hub.Lacks && (r == nil || !equal(r.event, &l.Sent[i])) {
					c.fail("E", "%s got the id %s for %+v, and hub %s has %+v there", l.Client, l.IDs[i], l.Sent[i], hub.Hub, r)
				}
			}
		}
	}
	at := map[string]*known{}
	for _, k := range c.order {
		if reserved(k.event) {
			continue
		}
		if c.sent[k.event.Data] == nil {
			c.fail("F", "no publisher has sent the event %+v, which is number %d %s", *k.event, k.seq, k.where)
		}
		if first, twice := at[k.event.Data]; twice && (k.event.Key == "" || c.KeyAge == 0) {
			c.fail("F", "the event %+v is there twice, as %d %s and as %d %s", *k.event, first.seq, first.where, k.seq, k.where)
		}
		at[k.event.Data] = k
	}
}

func reserved(s *Sent) bool { return strings.HasPrefix(s.Topics[0], "$") }

// realTime checks that an event that was acknowledged before another one was sent has the lower number (F).
func (c *checker) realTime() {
	type answer struct {
		at  time.Duration
		seq uint64
		id  string
	}
	var answers, sent []answer
	for _, l := range c.publishes {
		for i, id := range l.IDs {
			if seq, ok := c.settled(id); ok && (len(l.Again) <= i || !l.Again[i]) {
				sent = append(sent, answer{l.Start, seq, id})
				answers = append(answers, answer{l.End, seq, id})
			}
		}
	}
	byTime := func(a, b answer) int { return cmp.Compare(a.at, b.at) }
	slices.SortFunc(sent, byTime)
	slices.SortFunc(answers, byTime)
	highest := answer{}
	for _, s := range sent {
		for len(answers) > 0 && answers[0].at < s.at {
			if answers[0].seq > highest.seq {
				highest = answers[0]
			}
			answers = answers[1:]
		}
		if highest.seq > s.seq {
			c.fail("F", "%s was acknowledged at %v, before %s was sent at %v", highest.id, highest.at, s.id, s.at)
		}
	}
}
