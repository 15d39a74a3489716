package check

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/eventlog"
)

// walk follows each subscriber, in the second reading: rules B, C, D, and a part of A.
type walk struct {
	*checker
	readers map[string]*reader
	wants   map[string]*wanted // by the selection's text
}

// reader is a subscriber.
type reader struct {
	name   string
	wants  *wanted
	places map[string]*progress // by order
	got    bits                 // events
	reset  bool                 // it got a gap in which a generation ended
	lost   bool                 // it got a gap whose end is unknown, so the next position in any order is a new beginning
}

// progress is how far a subscriber is in an order.
type progress struct {
	at       history.Position
	line     int
	told     uint64 // gaps were reported up to this number
	streamed bool   // by this stream
}

// wanted says which events a selection matches.
type wanted struct {
	exact    map[string]bool
	patterns []eventlog.Pattern
	known    []int8 // by event: 1 yes, -1 no, 0 not asked yet
}

func newWalk(c *checker) *walk {
	return &walk{checker: c, readers: map[string]*reader{}, wants: map[string]*wanted{}}
}

func (w *walk) selection(s *history.Selection) *wanted {
	text, _ := json.Marshal(s) // it came from JSON
	if found, ok := w.wants[string(text)]; ok {
		return found
	}
	made := &wanted{exact: map[string]bool{}, known: make([]int8, len(w.events))}
	for _, topic := range s.Exact {
		made.exact[topic] = true
	}
	for _, pattern := range s.Patterns {
		if p, err := eventlog.ParsePattern(pattern); err == nil {
			made.patterns = append(made.patterns, p)
		}
	}
	w.wants[string(text)] = made
	return made
}

func (w *walk) match(s *wanted, event int) bool {
	if s.known[event] == 0 {
		s.known[event] = -1
		for _, topic := range w.events[event].topics {
			if s.exact[topic] || slices.ContainsFunc(s.patterns, func(p eventlog.Pattern) bool { return p.Match(topic) }) {
				s.known[event] = 1
			}
		}
	}
	return s.known[event] > 0
}

func (w *walk) line(l history.Line) {
	if l.Kind == history.Connect {
		w.connect(l)
		return
	}
	r := w.readers[l.Who]
	if r == nil {
		return
	}
	switch l.Kind {
	case history.Event:
		w.event(r, l)
	case history.Checkpoint:
		if p := w.move(r, l); p != nil && p.at.Seq < l.ID.Seq {
			w.missing(r, p, l.ID.Seq, l.N)
			p.at, p.line = *l.ID, l.N
		}
	case history.Gap:
		w.gap(r, l)
	default:
	}
}

func (w *walk) connect(l history.Line) {
	if l.Why != "" {
		return
	}
	r := w.readers[l.Who]
	if r == nil {
		r = &reader{name: l.Who, wants: w.selection(l.Select), places: map[string]*progress{}, got: newBits(len(w.events))}
		w.readers[l.Who] = r
	}
	for _, p := range r.places {
		p.streamed = false
	}
}

// move returns where a subscriber is in the order of a line, or nil if the line is its first position there.
func (w *walk) move(r *reader, l history.Line) *progress {
	p := r.places[l.ID.Order]
	if p == nil || r.lost {
		r.lost = false
		r.places[l.ID.Order] = &progress{at: *l.ID, line: l.N, streamed: true}
		return nil
	}
	if p.at.Gen != l.ID.Gen {
		w.broken("B", []int{p.line, l.N}, "%s was at %v and is told %v, without a gap", r.name, p.at, l.ID)
		*p = progress{at: *l.ID, line: l.N}
	}
	if l.ID.Seq < p.at.Seq && p.streamed {
		w.broken("B", []int{p.line, l.N}, "%s was at %v and is told %v by the same stream", r.name, p.at, l.ID)
	}
	p.streamed = true
	return p
}

func (w *walk) event(r *reader, l history.Line) {
	at := w.byName[l.Name]
	if !w.match(r.wants, at) && w.events[at].sent > 0 {
		w.broken("A", []int{l.N}, "%s received %s, which it has not asked for", r.name, l.Name)
	}
	// An event that was lost with its generation may have been stored again by a retry. Readers that got the gap may get it again.
	if again := r.got.set(at); again && (!r.reset || !w.regained(at)) {
		w.broken("D", []int{l.N}, "%s received %s twice, now at %v", r.name, l.Name, l.ID)
	}
	if w.promise.Opaque {
		l.ID = nil
		if places := w.events[at].places; len(places) > 0 {
			l.ID = &places[0]
		}
	}
	if l.ID == nil {
		return
	}
	p := w.move(r, l)
	if p == nil {
		return
	}
	if p.at.Seq < l.ID.Seq {
		w.missing(r, p, l.ID.Seq-1, l.N)
		p.at, p.line = *l.ID, l.N
	}
}

// regained reports whether an event has places in several generations of an order.
func (w *walk) regained(event int) bool {
	places := w.events[event].places
	return slices.ContainsFunc(places, func(p history.Position) bool { return p.Order == places[0].Order && p.Gen != places[0].Gen })
}

// missing reports the events that a subscriber should have got after its place and up to a number.
func (w *walk) missing(r *reader, p *progress, upTo uint64, line int) {
	all := w.orders[orderOf(p.at)]
	from := max(p.at.Seq, p.told)
	i, _ := slices.BinarySearchFunc(all, from+1, func(k known, seq uint64) int { return cmp.Compare(k.seq, seq) })
	for ; i < len(all) && all[i].seq <= upTo; i++ {
		if k := all[i]; w.match(r.wants, k.event) && !r.got.has(k.event) {
			w.broken("C", []int{k.line, p.line, line}, "%s did not receive %s at %v-%d: it was at %v, then came %d",
				r.name, w.events[k.event].name, p.at.Gen, k.seq, p.at, upTo)
		}
	}
}

func (w *walk) gap(r *reader, l history.Line) {
	if l.To == nil {
		r.lost, r.reset = true, true
		return
	}
	p := r.places[l.To.Order]
	switch {
	case p == nil:
	case p.at.Gen != l.To.Gen || l.To.Seq < p.at.Seq:
		delete(r.places, l.To.Order) // it begins again from this position
		r.reset = true
	default:
		p.told = max(p.told, l.To.Seq)
	}
}

// finish is rule C at the end of a run: every subscriber that was connected until the end has got all its events.
func (w *walk) finish() {
	last := map[string]string{} // names of subscribers, without the number of their life
	number := func(who string) (string, int) {
		name, life, _ := strings.Cut(who, ".")
		n := 0
		for _, digit := range life {
			n = n*10 + int(digit-'0')
		}
		return name, n
	}
	for who := range w.readers {
		name, life := number(who)
		if other, ok := last[name]; ok {
			if _, n := number(other); n > life {
				continue
			}
		}
		last[name] = who
	}
	final := map[string]string{} // generation by order
	for _, dump := range w.dumps {
		for p := range dump {
			final[p.Order] = p.Gen
		}
	}
	for _, who := range last {
		r := w.readers[who]
		for name, p := range r.places {
			if gen := final[name]; gen != "" && gen != p.at.Gen {
				w.broken("C", []int{p.line}, "%s is at %v in the end, and the hubs are in generation %s", who, p.at, gen)
				continue
			}
			w.missing(r, p, 1<<63, p.line)
		}
	}
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits { return make(bits, n/64+1) }

func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }

// set adds i, and reports whether it was there.
func (b bits) set(i int) bool {
	was := b.has(i)
	b[i/64] |= 1 << (i % 64)
	return was
}
