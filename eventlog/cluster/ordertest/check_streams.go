package ordertest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// keys checks that a key stands for one event (G).
func (c *checker) keys() {
	type use struct{ topic, key string }
	stored := map[use]*known{}
	for _, k := range c.order {
		if k.event.Key == "" {
			continue
		}
		u := use{k.event.Topics[0], k.event.Key}
		if first := stored[u]; first != nil && (c.KeyAge == 0 || k.time.Sub(first.time) <= c.KeyAge) {
			c.fail("G", "key %q of topic %q is there twice, as %d and %d", u.key, u.topic, first.seq, k.seq)
		}
		stored[u] = k
	}
	answered := map[use]string{}
	for _, l := range c.publishes {
		for i, id := range l.IDs {
			s := &l.Sent[i]
			seq, ok := c.settled(id)
			if s.Key == "" || !ok {
				continue
			}
			u := use{s.Topics[0], s.Key}
			first, before := answered[u]
			if firstSeq, _ := c.settled(first); before && firstSeq != seq && c.KeyAge == 0 {
				c.fail("G", "key %q of topic %q was answered with %s and with %s", u.key, u.topic, first, id)
			}
			answered[u] = id
		}
	}
}

// ends checks that nothing comes after the end of a topic (H).
func (c *checker) ends() {
	ended := map[string]*known{}
	for _, k := range c.order {
		for _, topic := range k.event.Topics {
			if end := ended[topic]; end != nil && (c.EndAge == 0 || k.time.Sub(end.time) <= c.EndAge) {
				c.fail("H", "topic %q has ended with %d, and %d comes after it", topic, end.seq, k.seq)
			}
			if k.event.End {
				ended[topic] = k
			}
		}
	}
}

// streams checks the events of each subscriber.
func (c *checker) streams() {
	matching := map[string][]*known{} // of each subscription
	for name, lines := range c.clients {
		s := &stream{checker: c, name: name, seen: map[uint64]bool{}}
		for _, l := range lines {
			if l.Kind == Open {
				key := strings.Join(l.Topics, "\x00")
				if _, ok := matching[key]; !ok {
					matching[key] = c.matching(l.Topics)
				}
				s.matching = matching[key]
			}
			s.line(l)
		}
	}
}

// matching returns the known events of a subscription, by number.
func (c *checker) matching(topics []string) (found []*known) {
	var names []string
	var patterns []eventlog.Matcher
	for _, t := range topics {
		if p, err := eventlog.ParsePattern(t); err == nil && strings.Contains(t, "*") {
			patterns = append(patterns, p)
		} else {
			names = append(names, t)
		}
	}
	selector := eventlog.Select(names, patterns...)
	for _, k := range c.order {
		if topics == nil && !reserved(k.event) || slices.ContainsFunc(k.event.Topics, selector.Match) {
			found = append(found, k)
		}
	}
	return found
}

// stream is the state of a subscriber.
type stream struct {
	*checker
	name     string
	matching []*known
	at       eventlog.Position // its last position; zero: it has none
	told     uint64            // up to here gaps were reported to it
	seen     map[uint64]bool
}

func (s *stream) line(l *Line) {
	switch l.Kind {
	case Open:
		p, _ := eventlog.ParsePosition(l.ID) // zero: from now on
		if p != s.at {
			s.at, s.told = p, 0
		}
	case Gap:
		s.Gaps++
		if s.Lossless {
			s.fail("J", "%s was told of a gap (%s) up to %s on hub %s at %v, and nothing was lost", s.name, l.Reason, l.ID, l.Hub, l.Start)
		}
		to, _ := eventlog.ParsePosition(l.ID)
		if to.Gen != s.at.Gen || to.Seq < s.at.Seq { // the subscriber starts from this position
			s.at = to
			clear(s.seen)
		}
		s.told = to.Seq
	case Checkpoint, Event:
		p, err := eventlog.ParsePosition(l.ID)
		if err != nil {
			s.fail("B", "%s got the id %q on hub %s", s.name, l.ID, l.Hub)
			return
		}
		s.move(l, p)
		if l.Kind == Event {
			s.event(l, p)
		}
	}
}

// move checks the way to the next position.
func (s *stream) move(l *Line, p eventlog.Position) {
	switch {
	case s.at.IsZero():
	case p.Gen != s.at.Gen:
		s.fail("B", "%s was at %v and got %v on hub %s at %v, without a gap", s.name, s.at, p, l.Hub, l.Start)
	case p.Seq < s.at.Seq || p.Seq == s.at.Seq && l.Kind == Event:
		s.fail("B", "%s was at %v and got %v on hub %s at %v", s.name, s.at, p, l.Hub, l.Start)
	default:
		s.complete(l, p)
	}
	s.at = p
}

// complete checks that the subscriber got all its events between two positions.
func (s *stream) complete(l *Line, p eventlog.Position) {
	gen, ok := s.gens[p.Gen]
	if !ok {
		return
	}
	to := p.Seq
	if l.Kind == Event {
		to--
	}
	from := max(s.at.Seq, s.told)
	i, _ := slices.BinarySearchFunc(s.matching, from+1, func(k *known, seq uint64) int { return cmp.Compare(k.seq, seq) })
	for ; i < len(s.matching) && s.matching[i].seq <= to; i++ {
		k := s.matching[i]
		if !s.keeps(gen, k.seq) {
			continue
		}
		s.fail("C", "%s was at %v and got %v on hub %s at %v; it did not get %d (%+v %s)", s.name, s.at, p, l.Hub, l.Start, k.seq, *k.event, k.where)
	}
}

func (s *stream) event(l *Line, p eventlog.Position) {
	s.Events++
	if sent := s.sent[l.Event.Data]; sent != nil && l.Start < sent.first {
		s.fail("F", "%s got %v at %v, before it was sent at %v", s.name, p, l.Start, sent.first)
	}
	if seq, ok := s.settled(l.ID); ok {
		if s.seen[seq] {
			s.fail("D", "%s got number %d twice, the second time as %v on hub %s at %v", s.name, seq, p, l.Hub, l.Start)
		}
		s.seen[seq] = true
	}
}

// availability measures the longest times without an acknowledgement and without a delivery (K).
func (c *checker) availability() {
	var answers, events []time.Duration
	for _, l := range c.publishes {
		if l.Outcome == Stored {
			answers = append(answers, l.End)
		}
	}
	for _, lines := range c.clients {
		for _, l := range lines {
			if l.Kind == Event {
				events = append(events, l.Start)
			}
		}
	}
	c.LongestWithoutAnswer, c.LongestWithoutEvent = longest(answers), longest(events)
}

func longest(times []time.Duration) (most time.Duration) {
	slices.Sort(times)
	for i := 1; i < len(times); i++ {
		most = max(most, times[i]-times[i-1])
	}
	return most
}
