package load

import "time"

// follower is a subscriber: an EventSource, over as many connections as it takes. Its ledger's lock guards it.
type follower struct {
	run     *run
	ledger  *ledger
	via     carrier
	kind    kind
	number  int
	topic   int     // -1: all of them
	tallies []tally // by publisher; of all topics, by topic first

	scanner
	conn  int // the number of its connection: what an older one brings is not for it
	state connState
	since time.Duration // when it began to connect, at first
	up    time.Duration // when it was there, at first
	done  time.Duration // when it had all that it came back for

	wire any // what its carrier knows of it
}

type connState int

const (
	away    connState = iota
	dialing           // takes one of the places of those that do
	open
	given // up: it was refused
)

// receive takes in what has come. The ledger is locked.
func (f *follower) receive(b []byte, now time.Duration) {
	f.scan(b, func(m mark, marked bool) { f.event(m, marked, now) })
}

// event counts an event.
func (f *follower) event(m mark, marked bool, now time.Duration) {
	c := &f.ledger.counts[f.kind]
	t, ours := f.tally(m)
	switch {
	case !marked:
		c.other++
		return
	case !ours:
		c.misrouted++
		return
	}
	before := t.next
	switch t.see(m.seq) {
	case again:
		c.again++
		return
	case late:
		c.late++
	}
	c.events++
	switch f.kind {
	case live:
		f.ledger.behind += int64(t.next - before)
		f.ledger.latency.add(now - m.at)
	case missed:
		if f.done == 0 && m.publisher == f.run.filler(m.topic) && t.next >= f.run.backlog[m.topic] {
			f.done = now
		}
	}
}

// tally returns that of whom m is from, if its topic was asked for.
func (f *follower) tally(m mark) (*tally, bool) {
	if m.publisher >= f.run.Publishers || m.topic >= f.run.Topics {
		return nil, false
	}
	if f.topic < 0 {
		return &f.tallies[f.run.stream(m.topic, m.publisher)], true
	}
	return &f.tallies[m.publisher], m.topic == f.topic
}

// lost returns how many events it should have and has not. What a slow one has not read yet may still come.
func (f *follower) lost() (n int64) {
	for i := range f.tallies {
		topic, publisher := f.topic, i
		if topic < 0 {
			topic, publisher = i/f.run.Publishers, i%f.run.Publishers
		}
		s := &f.run.streams[f.run.stream(topic, publisher)]
		end := s.published
		if f.kind == slow {
			end = 0
		}
		n += f.tallies[i].lost(end, s.refused)
	}
	return n
}
