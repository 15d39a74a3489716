// Package check decides whether a history keeps what the hubs promise. Its rules have the letters of the design of the cluster:
//
//	A  one content for each position, everywhere, and only what was published and asked for
//	B  positions rise in each stream
//	C  between two positions of a subscriber, across reconnects and hubs, no event is missing without a gap
//	D  no subscriber gets an event twice
//	E  acknowledged events exist at the end, refused ones do not
//	F  an event that was acknowledged before another one was sent comes before it
//	G  an event is stored once, however often it is sent with its key
//	H  nothing comes after the end of a topic
//	I  all hubs have the same events at the end
//	J  no subscriber gets a gap when nothing was lost
//	K  every node becomes ready after a fault; how long nothing was acknowledged or delivered is only a number
//	L  the hubs decide as one hub would: each history of a contested topic is linearizable
//
// Because every event has its position, A to J need no search: their cost is that of sorting. L searches, by porcupine, on small histories.
package check

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/chaos/history"
)

// Violation is a violation of a rule.
type Violation struct {
	Rule  string `json:"rule"`
	What  string `json:"what"`
	Lines []int  `json:"lines"` // of the history
}

// Result is the result of checking a history.
type Result struct {
	Run        history.Entry           `json:"run"`
	Runs       int                     `json:"runs,omitzero"` // merged into this one
	Deliveries int                     `json:"deliveries"`
	Streams    int                     `json:"streams"`
	Events     int                     `json:"events"` // distinct ones that were sent
	Stored     int                     `json:"stored"` // of these, the ones that an answer, a stream or a dump has
	Lost       int                     `json:"lost"`   // acknowledged, lost, and reported as a gap
	Unread     int                     `json:"unread"` // acknowledged, and after damage no longer readable at one of the hubs
	Gaps       int                     `json:"gaps"`   // received by subscribers
	Fell       int                     `json:"fell"`   // how often a node ended by itself
	Gens       []string                `json:"generations"`
	Requests   map[history.Outcome]int `json:"requests"`
	Faults     []FaultTimes            `json:"faults"`
	Linear     Linear                  `json:"linear"`
	Broken     map[string]int          `json:"broken"`     // violations by rule
	Violations []Violation             `json:"violations"` // the first ones of each rule
}

// most is how many violations of one rule are described.
const most = 10

type event struct {
	name         string
	topics       []string
	end          bool
	began, acked int64 // first time; -1: never
	line         int   // the first line that names it
	sent, answer int   // lines
	denied       bool  // every request was refused
	places       []history.Position
}

type order struct{ name, gen string }

func orderOf(p history.Position) order { return order{p.Order, p.Gen} }

// known is an event with a place.
type known struct {
	seq   uint64
	event int
	line  int // the first line that has it
}

// clash is a position with a second event.
type clash struct {
	at    history.Position
	event int
}

type checker struct {
	stopped          int64 // when publishers stopped; 0: never
	result           Result
	promise          history.Promise
	events           []event
	byName           map[string]int
	at               map[history.Position]known
	clashes          map[clash]bool
	orders           map[order][]known // sorted by seq
	dumps            map[int]map[history.Position]int
	holes            map[int][]history.Entry
	oldest           map[int]history.Position // by hub, see trimmed
	faults           []history.Line
	gaps             []history.Line
	acks, deliveries []int64
	duels            map[string][]history.Line
}

// Check reads a history twice.
func Check(open func() (io.ReadCloser, error)) (*Result, error) {
	c := &checker{
		byName: map[string]int{}, at: map[history.Position]known{}, clashes: map[clash]bool{}, orders: map[order][]known{}, dumps: map[int]map[history.Position]int{},
		holes: map[int][]history.Entry{}, oldest: map[int]history.Position{}, duels: map[string][]history.Line{},
	}
	c.result.Requests, c.result.Broken = map[history.Outcome]int{}, map[string]int{}
	if err := each(open, c.learn); err != nil {
		return nil, err
	}
	c.arrange()
	c.origins()
	c.durable()
	c.realTime()
	c.once()
	c.ends()
	c.refusals()
	c.equal()
	c.falseAlarms()
	w := newWalk(c)
	if err := each(open, w.line); err != nil {
		return nil, err
	}
	w.finish()
	c.result.Faults = c.availability()
	c.result.Linear = c.linearizable()
	slices.SortStableFunc(c.result.Violations, func(a, b Violation) int { return cmp.Compare(a.Rule, b.Rule) })
	return &c.result, nil
}

func each(open func() (io.ReadCloser, error), f func(history.Line)) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	for line, err := range history.All(r) {
		if err != nil {
			return err
		}
		f(line)
	}
	return nil
}

func (c *checker) broken(rule string, lines []int, format string, args ...any) {
	if c.result.Broken[rule]++; c.result.Broken[rule] <= most {
		c.result.Violations = append(c.result.Violations, Violation{rule, fmt.Sprintf(format, args...), lines})
	}
}

// learn records a line, in the first reading.
func (c *checker) learn(l history.Line) {
	switch l.Kind {
	case history.Run:
		c.result.Run = l.Entry
		if l.Promise != nil {
			c.promise = *l.Promise
		}
	case history.Publish:
		c.published(l)
	case history.Event:
		c.deliveries = append(c.deliveries, l.At)
		if l.ID != nil && !c.promise.Opaque {
			c.place(l.Name, *l.ID, l.N)
		} else {
			c.event(l.Name, l.N)
		}
		if l.Why != "" {
			c.broken("A", []int{l.N}, "%s received %s with the position %v, but %s", l.Who, l.Name, l.ID, l.Why)
		}
	case history.Gap:
		c.gaps = append(c.gaps, l)
	case history.Connect:
		if l.Why == "" {
			c.result.Streams++
		}
	case history.Read:
		c.duels[l.Topics[0]] = append(c.duels[l.Topics[0]], l)
	case history.Fault:
		c.faults = append(c.faults, l)
	case history.Dump:
		c.dumped(l)
	case history.Hole:
		c.holes[l.Hub] = append(c.holes[l.Hub], l.Entry)
	case history.Stopped:
		c.stopped = l.At
	case history.Fell:
		c.result.Fell++
	case history.Stuck:
		c.broken("K", []int{l.N}, "not all nodes became ready after %s: %s", l.Name, l.Why)
	case history.Closed:
		if strings.HasPrefix(l.Why, history.NotUnderstood) {
			c.broken("A", []int{l.N}, "%s was told something by hub %d that was %s", l.Who, l.Hub, l.Why)
		}
	case history.Checkpoint, history.Ended, history.Retry:
	}
}

func (c *checker) published(l history.Line) {
	c.result.Requests[l.Outcome]++
	for i, s := range l.Events {
		at := c.event(s.Name, l.N)
		e := &c.events[at]
		if e.sent == 0 {
			e.topics, e.end, e.began, e.sent, e.denied = s.Topics, s.End, l.At, l.N, true
		}
		e.began = min(e.began, l.At)
		e.denied = e.denied && (l.Outcome == history.Refused || l.Outcome == history.Busy)
		if l.Outcome != history.OK && l.Outcome != history.Duplicate {
			continue
		}
		if e.acked < 0 || l.End < e.acked {
			e.acked, e.answer = l.End, l.N
		}
		if i < len(l.IDs) {
			c.place(s.Name, l.IDs[i], l.N)
		}
	}
	if l.Outcome == history.OK || l.Outcome == history.Duplicate {
		c.acks = append(c.acks, l.End)
	}
	if topic := l.Events[0].Topics[0]; len(l.Events) == 1 && contested(topic) {
		c.duels[topic] = append(c.duels[topic], l)
	}
}

func (c *checker) dumped(l history.Line) {
	if c.dumps[l.Hub] == nil {
		c.dumps[l.Hub] = map[history.Position]int{}
	}
	if l.ID == nil {
		return // the hub has no events
	}
	c.dumps[l.Hub][*l.ID] = c.event(l.Name, l.N)
	c.place(l.Name, *l.ID, l.N)
}

func (c *checker) event(name string, line int) int {
	at, ok := c.byName[name]
	if !ok {
		at = len(c.events)
		c.byName[name] = at
		c.events = append(c.events, event{name: name, line: line, began: -1, acked: -1})
	}
	return at
}

func (c *checker) place(name string, p history.Position, line int) {
	at := c.event(name, line)
	was, ok := c.at[p]
	if !ok {
		c.at[p] = known{p.Seq, at, line}
		c.events[at].places = append(c.events[at].places, p)
	} else if was.event != at && !c.clashes[clash{p, at}] {
		c.clashes[clash{p, at}] = true
		c.broken("A", []int{was.line, line}, "the position %v is that of %s and of %s", p, c.events[was.event].name, name)
	}
}

// arrange sorts what is known.
func (c *checker) arrange() {
	for p, k := range c.at {
		c.orders[orderOf(p)] = append(c.orders[orderOf(p)], k)
	}
	gens := map[string]bool{}
	for o, all := range c.orders {
		slices.SortFunc(all, func(a, b known) int { return cmp.Compare(a.seq, b.seq) })
		gens[o.gen] = true
	}
	for gen := range gens {
		c.result.Gens = append(c.result.Gens, gen)
	}
	slices.Sort(c.result.Gens)
	slices.Sort(c.acks)
	slices.Sort(c.deliveries)
	c.result.Deliveries, c.result.Gaps = len(c.deliveries), len(c.gaps)
	for i := range c.events {
		if c.events[i].sent > 0 {
			c.result.Events++
		}
		if len(c.events[i].places) > 0 {
			c.result.Stored++
		}
	}
}

// loss returns the beginning of the first fault after which gaps are allowed, or the largest time.
func (c *checker) loss() int64 {
	for _, f := range c.faults {
		if f.Loss {
			return f.At
		}
	}
	return 1<<63 - 1
}
