package check

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
)

// origins is a part of rule A: every event was published.
func (c *checker) origins() {
	for i := range c.events {
		if e := &c.events[i]; e.sent == 0 {
			c.broken("A", []int{e.line}, "%s was never published", e.name)
		}
	}
}

// durable is rule E.
func (c *checker) durable() {
	lost := c.loss() < 1<<63-1
	damaged := lost && !c.promise.Mends
	told := lost || !c.promise.Durable || c.promise.Resets
	current := c.finalOrders()
	for i := range c.events {
		e := &c.events[i]
		if e.denied && len(e.places) > 0 {
			c.broken("E", []int{e.sent, c.at[e.places[0]].line}, "%s was refused, and is stored at %v", e.name, e.places[0])
		}
		if e.acked < 0 || c.brief(e) {
			continue
		}
		missing, held := 0, false
		for hub, dump := range c.dumps {
			if holds(dump, e.places, i) || c.inHole(hub, e.places) || c.trimmed(hub, e.places) {
				held = true
			} else {
				missing = hub
			}
		}
		if missing == 0 {
			continue
		}
		if damaged && held {
			c.result.Unread++ // readers of the damaged hub get a gap
			continue
		}
		if told && len(c.result.Gens) > 1 && !anyOf(current, e.places) {
			c.result.Lost++ // with its generation
			continue
		}
		if c.promise.Durable || anyOf(current, e.places) {
			c.broken("E", []int{e.sent, e.answer}, "%s was acknowledged, was at %v, and hub %d does not have it", e.name, e.places, missing)
		} else {
			c.result.Lost++
		}
	}
}

func holds(dump map[history.Position]int, places []history.Position, event int) bool {
	return slices.ContainsFunc(places, func(p history.Position) bool { at, ok := dump[p]; return ok && at == event })
}

// brief reports whether an event need not exist at the end, because all its topics are brief.
func (c *checker) brief(e *event) bool {
	return c.promise.Brief > 0 && !slices.ContainsFunc(e.topics, func(topic string) bool { return !strings.HasPrefix(topic, history.Brief) })
}

// trimmed reports whether a hub that removes the oldest events has removed one of the places.
func (c *checker) trimmed(hub int, places []history.Position) bool {
	if !c.promise.Trims {
		return false
	}
	oldest, ok := c.oldest[hub]
	if !ok {
		oldest = history.Position{Seq: math.MaxUint64}
		for p := range c.dumps[hub] {
			if p.Seq < oldest.Seq {
				oldest = p
			}
		}
		c.oldest[hub] = oldest
	}
	return slices.ContainsFunc(places, func(p history.Position) bool { return orderOf(p) == orderOf(oldest) && p.Seq < oldest.Seq })
}

// inHole reports whether a hub has a hole that covers one of the places. Hubs that mend each other have no holes.
func (c *checker) inHole(hub int, places []history.Position) bool {
	return !c.promise.Mends && slices.ContainsFunc(places, func(p history.Position) bool {
		return slices.ContainsFunc(c.holes[hub], func(h history.Entry) bool {
			return h.ID != nil && h.To != nil && p.Order == h.To.Order && p.Seq >= h.ID.Seq && p.Seq <= h.To.Seq
		})
	})
}

// finalOrders returns the orders of the hubs at the end, with their generations.
func (c *checker) finalOrders() map[order]bool {
	all := map[order]bool{}
	for _, dump := range c.dumps {
		for p := range dump {
			all[orderOf(p)] = true
		}
	}
	return all
}

func anyOf(orders map[order]bool, places []history.Position) bool {
	return slices.ContainsFunc(places, func(p history.Position) bool { return orders[orderOf(p)] })
}

// realTime is rule F: a sweep over the moments at which events were sent and acknowledged.
func (c *checker) realTime() {
	for o, all := range c.orders {
		acked := slices.DeleteFunc(slices.Clone(all), func(k known) bool { return c.events[k.event].acked < 0 })
		slices.SortFunc(acked, func(a, b known) int { return cmp.Compare(c.events[a.event].acked, c.events[b.event].acked) })
		sent := slices.DeleteFunc(slices.Clone(all), func(k known) bool { return c.events[k.event].sent == 0 })
		slices.SortFunc(sent, func(a, b known) int { return cmp.Compare(c.events[a.event].began, c.events[b.event].began) })
		last, next := known{}, 0
		for _, k := range sent {
			e := &c.events[k.event]
			for ; next < len(acked) && c.events[acked[next].event].acked < e.began; next++ {
				if acked[next].seq > last.seq {
					last = acked[next]
				}
			}
			if k.seq < last.seq {
				was := &c.events[last.event]
				c.broken("F", []int{was.answer, e.sent}, "%s was acknowledged with %d before %s was sent, which got %d (generation %s)",
					was.name, last.seq, e.name, k.seq, o.gen)
			}
		}
	}
}

// once is rule G.
func (c *checker) once() {
	if !c.promise.Keys {
		return
	}
	for i := range c.events {
		first := map[order]history.Position{}
		for _, p := range c.events[i].places {
			if was, ok := first[orderOf(p)]; ok {
				c.broken("G", []int{c.at[was].line, c.at[p].line}, "%s is stored at %v and at %v", c.events[i].name, was, p)
			}
			first[orderOf(p)] = p
		}
	}
}

// ends is rule H. The end of a brief topic holds only for a while.
func (c *checker) ends() {
	for _, all := range c.orders {
		ended := map[string]known{}
		for _, k := range all {
			e := &c.events[k.event]
			for _, topic := range e.topics {
				if end, ok := ended[topic]; ok && !c.expired(end, e) {
					c.broken("H", []int{end.line, k.line}, "%s at %d comes after the end of %s at %d", e.name, k.seq, topic, end.seq)
				}
				if e.end {
					ended[topic] = k
				}
			}
		}
	}
}

// slack is how much clocks may differ.
const slack = 200 * time.Millisecond

// expired reports whether the end of a topic may have expired when an event was stored.
func (c *checker) expired(end known, e *event) bool {
	return c.brief(e) && (e.acked < 0 || e.acked > c.events[end.event].began+(c.promise.Brief-slack).Microseconds())
}

// refusals is the other half of rule H: an end that has expired refuses nothing.
func (c *checker) refusals() {
	if c.promise.Brief == 0 {
		return
	}
	ends := map[string]*event{}
	for i := range c.events {
		if e := &c.events[i]; e.end && e.acked >= 0 && c.brief(e) {
			ends[e.topics[0]] = e
		}
	}
	for i := range c.events {
		e := &c.events[i]
		if end := ends[first(e.topics)]; end != nil && e.denied && e.began > end.acked+(c.promise.Brief+slack).Microseconds() {
			c.broken("H", []int{end.answer, e.sent}, "%s was refused %v after the end of %s, which holds for %v", e.name,
				time.Duration(e.began-end.acked)*time.Microsecond, e.topics[0], c.promise.Brief)
		}
	}
}

func first(topics []string) string {
	if len(topics) == 0 {
		return ""
	}
	return topics[0]
}

// equal is rule I. A hub need not have the events in its holes.
func (c *checker) equal() {
	if !c.promise.EqualDumps || c.loss() < 1<<63-1 && !c.promise.Mends {
		return // a damaged hub reports to its readers what it can no longer read, and rule A compares the rest
	}
	for a, first := range c.dumps {
		for b, second := range c.dumps {
			if a == b {
				continue
			}
			for p, event := range first {
				at := []history.Position{p}
				if other, ok := second[p]; (!ok || other != event) && !c.inHole(b, at) && !c.trimmed(b, at) && !c.brief(&c.events[event]) {
					c.broken("I", []int{c.at[p].line}, "hub %d has %s at %v, and hub %d does not", a, c.events[event].name, p, b)
				}
			}
		}
	}
}

// falseAlarms is rule J.
func (c *checker) falseAlarms() {
	loss := c.loss()
	if !c.promise.Durable || c.promise.Resets {
		return // every fault may lose something
	}
	for _, g := range c.gaps {
		if told := c.promise.Trims && g.Why == "trimmed"; g.At < loss && !told {
			c.broken("J", []int{g.N}, "%s was told of a gap (%s) by hub %d, and nothing was lost", g.Who, g.Why, g.Hub)
		}
	}
}
