package ordertest

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

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
