package fanout

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// shard is a goroutine that owns subscribers. No other goroutine touches them, so the path of an event has no lock. Other goroutines
// reach a shard only through post. The shard runs posted functions in order.
type shard struct {
	f       *Fanout
	wakeup  chan struct{}
	members atomic.Int64  // subscribers, including those that are about to enter or leave
	settled atomic.Uint64 // sequence number up to which events were delivered
	pool    runnerPool

	mu      sync.Mutex // guards the following
	posted  []func()
	stopped bool

	// Owned by the goroutine:
	at       eventlog.Position // live subscribers have everything up to here
	groups   map[string]*group
	interest interest
	ahead    []*direct // see stage ahead
	lanes    []*lane
	dirty    []*lane // one of each connection that must be flushed
	wheel    *wheel
	poller   poller
	draining bool
	until    eventlog.Position // the head when draining began: streams get the events up to it, and end
	sweeping atomic.Bool       // a search for revoked subscribers is posted

	boards   map[Board][]*watch
	watchers map[*subscriber]*watcher
	owing    []*watcher // subscribers that get states in the next tick

	pass    uint64 // counts passes
	pause   pause
	events  []*event
	touched []*group
	buf     []byte
	chunks  []chunk

	// For compressed groups:
	compressors   compressors
	plain, packed []byte
	parts         []part // of packed
}

func newShard(f *Fanout) *shard {
	s := &shard{
		f: f, wakeup: make(chan struct{}, 1), at: f.window.head(), groups: make(map[string]*group),
		wheel: newWheel(f.opts.shortestWait()),
	}
	s.settled.Store(s.at.Seq)
	return s
}

// wake makes the shard look for new events.
func (s *shard) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// post queues a function for the shard to run. It reports false if the shard has ended, and the function will not run.
func (s *shard) post(f func()) bool {
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.posted = append(s.posted, f)
	}
	s.mu.Unlock()
	if !stopped {
		s.wake()
	}
	return !stopped
}

// await posts a function and waits until it has run, or returns at once if the shard has ended.
func (s *shard) await(f func()) {
	done := make(chan struct{})
	if s.post(func() { f(); close(done) }) {
		<-done
	}
}

func (s *shard) takePosted() []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	posted := s.posted
	s.posted = nil
	return posted
}

// run is the goroutine. When ctx ends, it closes the streams that are left.
func (s *shard) run(ctx context.Context) {
	tick := time.NewTicker(s.wheel.tick)
	defer tick.Stop()
	defer s.pause.begin().Stop()
	for {
		select {
		case <-s.wakeup:
		case <-s.pause.timer.C:
		case now := <-tick.C:
			s.wheel.turn(now, s.due)
			s.payOwing()
			s.shrink()
		case <-ctx.Done():
			s.stop()
			return
		}
		for more := true; more && ctx.Err() == nil; {
			for _, f := range s.takePosted() {
				f()
			}
			more = !s.pause.on() && s.deliverInTurn()
		}
		s.flush()
	}
}

const (
	mostSpace = 4 * pageBytes // of a buffer that a shard or a replayer keeps
	mostItems = 1024          // of a list that a shard keeps; a pass has about as many events at most
)

// shrink releases in each tick the memory that a burst has grown, and what lists between two passes refer to.
func (s *shard) shrink() {
	for _, b := range []*[]byte{&s.buf, &s.plain, &s.packed} {
		if cap(*b) > mostSpace {
			*b = nil
		}
	}
	s.events, s.chunks, s.parts = emptied(s.events), emptied(s.chunks), emptied(s.parts)
}

// emptied returns a list without items, and with the same memory if that is not much.
func emptied[T any](list []T) []T {
	if cap(list) > mostItems {
		return nil
	}
	clear(list[:cap(list)])
	return list[:0]
}

func (s *shard) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for _, f := range s.takePosted() {
		f()
	}
	s.poller.stop()
	var left []*subscriber
	s.each(func(sub *subscriber) { left = append(left, sub) })
	for _, sub := range left {
		sub.via.abort(Drained)
		s.close(sub, Drained)
	}
	s.flush()
}

// each calls f with all subscribers of the shard.
func (s *shard) each(f func(*subscriber)) {
	s.poller.each(f)
	for i := len(s.lanes) - 1; i >= 0; i-- { // backwards, because f may close the subscriber, which moves the last one to its place
		f(&s.lanes[i].subscriber)
	}
	for _, g := range s.groups {
		for _, r := range g.runners {
			if r.slot < 0 {
				f(&r.subscriber)
			}
		}
	}
}
