package load

import "time"

// subscriber behaves like an EventSource: it keeps its last event ID over any number of connections. The lock of its
// shard guards it.
type subscriber struct {
	run     *run
	shard   *shard
	via     connector
	kind    kind
	number  int
	topic   int     // -1: all topics
	tallies []tally // by publisher; with all topics, by topic and publisher

	scanner
	conn  int // number of the current connection; bytes of older ones are discarded
	state connState
	since time.Duration // when its first connection started
	up    time.Duration // when its first stream opened; 0 before
	done  time.Duration // when it had received all missed events; 0 before

	wire any // belongs to its connector
}

type connState int

const (
	disconnected connState = iota
	dialing                // holds one of the maxDialing places
	open
	gaveUp // the hub refused it
)

// receive counts the events in received bytes. The caller holds the lock of the shard.
func (sub *subscriber) receive(b []byte, now time.Duration) {
	sub.scan(b, func(m mark, marked bool) { sub.event(m, marked, now) })
}

// event counts an event.
func (sub *subscriber) event(m mark, marked bool, now time.Duration) {
	c := &sub.shard.counts[sub.kind]
	t, ours := sub.tally(m)
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
	switch sub.kind {
	case live:
		sub.shard.processed += int64(t.next - before)
		sub.shard.latency.add(now - m.at)
	case returning:
		if sub.done == 0 && m.publisher == sub.run.backlogPublisher(m.topic) && t.next >= sub.run.backlog[m.topic] {
			sub.done = now
		}
	}
}

// tally returns the tally of m's topic and publisher, and whether sub has subscribed to that topic.
func (sub *subscriber) tally(m mark) (*tally, bool) {
	if m.publisher >= sub.run.Publishers || m.topic >= sub.run.Topics {
		return nil, false
	}
	if sub.topic < 0 {
		return &sub.tallies[sub.run.stream(m.topic, m.publisher)], true
	}
	return &sub.tallies[m.publisher], m.topic == sub.topic
}

// lost returns how many events sub should have received but has not. For a slow consumer, and in a run that was
// interrupted, it counts only the gaps: the rest may be on its way.
func (sub *subscriber) lost() (n int64) {
	for i := range sub.tallies {
		topic, publisher := sub.topic, i
		if topic < 0 {
			topic, publisher = i/sub.run.Publishers, i%sub.run.Publishers
		}
		s := &sub.run.streams[sub.run.stream(topic, publisher)]
		end := s.published
		if sub.kind == slow || sub.run.interrupted {
			end = 0
		}
		n += sub.tallies[i].lost(end, s.refused)
	}
	return n
}
