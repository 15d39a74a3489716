package fanout

import (
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// A pass takes all events since the last pass and writes to each live subscriber once. A write with ten events costs little more than a
// write with one, so events get cheaper as the load grows.

const (
	passEvents = 1000      // events that one pass takes at most
	passBytes  = 128 << 10 // about how many bytes of events one pass takes at most
	passSteps  = 1_000_000 // steps in the index of interest, about 10 ms, after which a pass takes no more events
)

// deliverInTurn makes a pass with a pause after it. It reports whether there were new events. With [Options.Gather], the first new event makes the shard
// pause before the pass. Events that a full pass leaves over have waited already.
func (s *shard) deliverInTurn() bool {
	if !s.draining && s.f.window.head() != s.at && s.pause.gather(s.f.opts.Gather) {
		return false
	}
	began := time.Now()
	if !s.deliverNext() {
		return false
	}
	s.flush()
	s.pause.gathered = s.f.window.head() != s.at
	s.pause.after(time.Since(began))
	return true
}

// deliverNext makes a pass. It reports whether there were new events.
func (s *shard) deliverNext() bool {
	events, to, ok := s.f.window.next(s.events[:0], s.at, passEvents, passBytes)
	s.events = events
	switch {
	case !ok:
		s.resyncAll()
		s.at = to
		s.catchAhead()
		s.settled.Store(s.at.Seq)
		return true
	case to == s.at:
		return false
	}
	from := s.at
	s.at = s.offer(events, to)
	for _, g := range s.touched {
		s.deliver(g, from)
		s.f.count.latency.observe(time.Since(g.events[0].record.Time))
		clear(g.events)
		if g.events = g.events[:0]; cap(g.events) > 64 {
			g.events = nil
		}
	}
	clear(s.touched)
	s.touched = s.touched[:0]
	clear(events)
	s.catchAhead()
	s.settled.Store(s.at.Seq)
	return true
}

// offer offers events to the groups that may want them, and collects in touched the groups that do. It returns the position that it has
// reached, which is before to if the lookups cost too much.
func (s *shard) offer(events []*event, to eventlog.Position) eventlog.Position {
	s.pass++
	var e *event
	steps := 0
	touch := func(g *group) {
		cost, first := g.offer(e, s.pass)
		steps += cost
		if first {
			s.touched = append(s.touched, g)
		}
	}
	for _, e = range events {
		if steps += s.interest.each(e.record, touch); steps > passSteps {
			to.Seq = e.record.Seq
			break
		}
	}
	return to
}

// deliver sends the events of a group to its members. Live members have everything up to from.
func (s *shard) deliver(g *group, from eventlog.Position) {
	for _, r := range g.runners {
		r.wake(g.events[0].record.Seq)
	}
	if len(g.live) == 0 {
		return
	}
	b, seen, ends := s.gather(g)
	shared := b // for the members in step
	if g.gzip {
		shared = s.compress(g, b)
	}
	late := 0 // members out of step, if the group compresses
	for i := 0; i < len(g.live) && len(b) > 0; {
		m, out := g.live[i], b
		if m.inStep {
			out = shared
		}
		n, err := s.sendTo(&m, out)
		switch {
		case n == len(out):
			if i++; g.coder != nil && !m.inStep {
				late++
				m.sub.bytes.Add(int64(len(b) - len(shared))) // the group counts those of the members in step
			}
		case err != nil:
			s.close(&m.sub.subscriber, whyLost(err)) // close moves another member to its place
		default:
			s.chunks = s.appendForm(s.chunks[:0], g, m.inStep)
			rest, at, _ := cut(s.chunks, n, m.sub.owes(), from.Seq) // its cursor begins at at
			s.f.count.sent(1, eventsUpTo(s.chunks, n), n)
			m.sub.moved = n > 0
			m.sub.bytes.Add(int64(n))
			m.sub.stall(rest, eventlog.Position{Gen: from.Gen, Seq: at})
		}
	}
	last := g.events[len(g.events)-1].position()
	if len(b) > 0 {
		s.f.count.sent(len(g.live)-late, len(g.events), len(shared))
		if late > 0 {
			s.f.count.sent(late, len(g.events), len(b))
			g.coder.owed += late * len(g.events)
		}
		g.sent, g.wrote = seen, s.wheel.now
		g.bytes += int64(len(shared))
	}
	if ends {
		s.endGroup(g, last)
	}
}

// sendTo sends to a live subscriber.
func (s *shard) sendTo(m *member, b []byte) (int, error) {
	if m.fd >= 0 {
		return socket.Send(m.fd, b)
	}
	s.touch(m.sub)
	return m.sub.write(b)
}

// gather returns the joined bytes of a group's events. seen is the newest position that a client knows after them; ends says whether topics
// end with them. The bytes are valid until the next call.
func (s *shard) gather(g *group) (b []byte, seen uint64, ends bool) {
	if len(g.events) == 1 {
		c := g.events[0].chunk(g.encoding)
		return bytesOf(c.text), c.at, c.end
	}
	s.buf = s.buf[:0]
	for _, e := range g.events {
		c := e.chunk(g.encoding)
		s.buf = append(s.buf, c.text...)
		if ends = ends || c.end; c.text != "" { // empty: the encoding hides the event, and the client does not get its position
			seen = c.at
		}
	}
	return s.buf, seen, ends
}

// endGroup closes the live streams of a group if they are complete.
func (s *shard) endGroup(g *group, at eventlog.Position) {
	complete, err := s.f.ends.complete(s.f.ctx, g, at)
	switch {
	case err != nil && s.f.ctx.Err() != nil: // the drain ends, and with it the streams
		return
	case err != nil:
		s.f.opts.Logger.Error("the log could not say whether topics have ended; their streams end, and the clients learn it when they reconnect", "err", err.Error())
		complete = true
	}
	for complete && len(g.live) > 0 {
		s.close(&g.live[0].sub.subscriber, Complete)
	}
}

// resyncAll gives all live subscribers a cursor, because the window has jumped and lacks their next events.
func (s *shard) resyncAll() {
	for _, g := range s.groups {
		g.sent = 0
		for len(g.live) > 0 {
			d := g.live[0].sub
			d.leaveLive(s.at)
			d.replay()
		}
		for _, r := range g.runners {
			r.wake(0)
		}
	}
}
