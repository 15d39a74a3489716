package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// shard is a goroutine that owns subscribers. It takes all events that have come since it looked last, and goes to each
// subscriber once, with everything that is for it: while a socket is warm more bytes cost little, and the more there is to do,
// the more events go out in one write.
//
// Nobody else touches what it owns; they send it letters.
type shard struct {
	hub     *Hub
	wakeup  chan struct{}
	members atomic.Int64 // subscribers, those that are on their way in or out included
	crew    crew         // of those that have a runner

	mu      sync.Mutex // guards the following
	letters []func()
	stopped bool

	// Owned by the goroutine:
	at       eventlog.Position // those who are live have everything up to here
	groups   map[groupKey]*group
	interest interest
	ahead    []*subscriber
	wheel    *wheel
	poller   poller
	draining bool
	until    eventlog.Position // the head when draining began: streams get what comes before, and end
	sweeping atomic.Bool       // it will look for whom to expel
	leaving  []*subscriber

	pass    uint64 // counts passes
	rest    rest
	events  []*event
	touched []*group
	buf     []byte
	pieces  []piece
}

func newShard(h *Hub) *shard {
	return &shard{
		hub: h, wakeup: make(chan struct{}, 1), at: h.window.head(), groups: make(map[groupKey]*group),
		wheel: newWheel(h.opts.shortestWait()),
	}
}

// wake lets the shard look for what is new.
func (s *shard) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// post gives the shard something to do. It reports whether it will be done.
func (s *shard) post(letter func()) bool {
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.letters = append(s.letters, letter)
	}
	s.mu.Unlock()
	if !stopped {
		s.wake()
	}
	return !stopped
}

// await gives the shard something to do, and waits until it is done, or the shard has ended.
func (s *shard) await(letter func()) {
	done := make(chan struct{})
	if s.post(func() { letter(); close(done) }) {
		<-done
	}
}

func (s *shard) takeLetters() []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	letters := s.letters
	s.letters = nil
	return letters
}

// run is the goroutine, until ctx ends. Then every connection is closed that is left.
func (s *shard) run(ctx context.Context) {
	tick := time.NewTicker(s.wheel.tick)
	defer tick.Stop()
	defer s.rest.begin().Stop()
	for {
		select {
		case <-s.wakeup:
		case <-s.rest.over.C:
		case now := <-tick.C:
			s.wheel.turn(now, s.look)
		case <-ctx.Done():
			s.stop()
			return
		}
		for more := true; more && ctx.Err() == nil; {
			for _, letter := range s.takeLetters() {
				letter()
			}
			more = !s.rest.on() && s.deliverInTurn()
		}
	}
}

func (s *shard) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for _, letter := range s.takeLetters() {
		letter()
	}
	s.poller.close(s.cut)
	for _, g := range s.groups {
		for len(g.waiting) > 0 {
			s.cut(g.waiting[0])
		}
	}
}

// cut closes one that is still there at the end.
func (s *shard) cut(sub *subscriber) {
	if sub.runner != nil {
		sub.runner.abort()
	}
	s.close(sub, drained)
}

// abandon closes one that came after the end.
func (s *shard) abandon(sub *subscriber) {
	closeSocket(sub.fd)
	s.hub.leave(sub, drained)
}

const (
	passEvents = 1000      // that are taken in one pass,
	passBytes  = 128 << 10 // and their bytes, more or less
	passSteps  = 1_000_000 // in the index of interest, about 10 ms, after which it takes no more events
)

// deliverInTurn is deliverNext with a rest behind it.
func (s *shard) deliverInTurn() bool {
	began := time.Now()
	if !s.deliverNext() {
		return false
	}
	s.rest.after(time.Since(began))
	return true
}

// deliverNext takes the next events to all who are live. It reports whether there were any.
func (s *shard) deliverNext() bool {
	events, to, ok := s.hub.window.next(s.events[:0], s.at, passEvents, passBytes)
	s.events = events
	switch {
	case !ok:
		s.scatter()
		s.at = to
		s.catchAhead()
		return true
	case to == s.at:
		return false
	}
	s.pass++
	var e *event
	touch := func(g *group) {
		if g.pass != s.pass {
			g.pass = s.pass
			s.touched = append(s.touched, g)
		}
		if n := len(g.events); n == 0 || g.events[n-1] != e {
			g.events = append(g.events, e)
		}
	}
	steps := 0
	for i := range events {
		e = events[i]
		if steps += s.interest.each(e.record, touch); steps > passSteps {
			to.Seq = e.record.Seq
			break
		}
	}
	from := s.at
	s.at = to
	for _, g := range s.touched {
		s.deliver(g, from)
		s.hub.count.latency.observe(time.Since(g.events[0].record.Time))
		clear(g.events)
		if g.events = g.events[:0]; cap(g.events) > 64 {
			g.events = nil
		}
	}
	clear(s.touched)
	s.touched = s.touched[:0]
	clear(events)
	s.catchAhead()
	return true
}

// deliver takes the events of a group to its members. Everybody who is live has everything up to from.
func (s *shard) deliver(g *group, from eventlog.Position) {
	for _, sub := range g.waiting {
		sub.runner.wake(g.events[0].record.Seq)
	}
	if len(g.live) == 0 {
		return
	}
	b, ends := s.gather(g)
	for i := 0; i < len(g.live); {
		m := g.live[i]
		n, err := send(m.fd, b)
		switch {
		case n == len(b):
			i++
		case err != nil:
			s.close(m.sub, gone) // which puts another one in its place
		default:
			s.pieces = s.pieces[:0]
			for _, e := range g.events {
				s.pieces = append(s.pieces, e.piece(g.form))
			}
			rest, at := cut(s.pieces, n, from.Seq)
			s.hub.count.sent(1, eventsUpTo(s.pieces, n), n)
			m.sub.moved = n > 0
			m.sub.bytes += int64(n)
			s.stall(m.sub, rest, eventlog.Position{Gen: from.Gen, Seq: at})
		}
	}
	s.hub.count.sent(len(g.live), len(g.events), len(b))
	last := g.events[len(g.events)-1].id()
	g.sent, g.wrote = last.Seq, s.wheel.now
	g.bytes += int64(len(b))
	if ends {
		s.endGroup(g, last)
	}
}

// gather returns the frames of a group's events, one after the other. Nobody keeps the result.
func (s *shard) gather(g *group) (b []byte, ends bool) {
	if len(g.events) == 1 {
		p := g.events[0].piece(g.form)
		return bytesOf(p.text), p.end
	}
	s.buf = s.buf[:0]
	for _, e := range g.events {
		p := e.piece(g.form)
		s.buf = append(s.buf, p.text...)
		ends = ends || p.end
	}
	return s.buf, ends
}

// endGroup closes the streams to which nothing can ever come any more.
func (s *shard) endGroup(g *group, at eventlog.Position) {
	ended, err := g.ended(s.hub.ctx, s.hub, at)
	if err != nil {
		s.hub.opts.Logger.Error("whether topics have ended cannot be read; their streams end, and the clients find out when they come back", "err", err.Error())
		ended = true
	}
	for ended && len(g.live) > 0 {
		s.close(g.live[0].sub, complete)
	}
}

// scatter lets all who were live find their way by themselves: what comes next is not in the window.
func (s *shard) scatter() {
	for _, g := range s.groups {
		g.sent = 0
		for len(g.live) > 0 {
			sub := g.live[0].sub
			s.unlive(sub, s.at)
			s.replay(sub)
		}
		for _, sub := range g.waiting {
			sub.runner.wake(0)
		}
	}
}
