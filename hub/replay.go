package hub

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/tidings-sse/tidings/internal/queue"
)

// replayers bring those who are behind to where their shards are, off the shards, so that who is live does not wait for them.
// There are few, whatever the number of subscribers: each gets some pages, and then the others have their turn.
type replayers struct {
	hub     *Hub
	some    chan struct{} // there may be something in the queue
	mu      sync.Mutex    // guards the following
	waiting queue.Queue[*subscriber]
}

// progress is what became of a subscriber in its turn.
type progress int

const (
	midway   progress = iota // there is more
	caughtUp                 // it is at the head
	blocked                  // it takes no more at the moment
	finished                 // nothing will ever come
	lost                     // it has gone
	broken                   // the log cannot be read
	tooSlow                  // it is too far behind
)

// turnPages is how many pages a subscriber gets in its turn.
const turnPages = 8

func newReplayers(h *Hub) *replayers {
	return &replayers{hub: h, some: make(chan struct{}, 1)}
}

func (r *replayers) add(s *subscriber) {
	r.mu.Lock()
	r.waiting.Push(s)
	r.mu.Unlock()
	r.wake()
}

func (r *replayers) wake() {
	select {
	case r.some <- struct{}{}:
	default:
	}
}

// take returns the one who has waited longest, nil if there is none.
func (r *replayers) take() *subscriber {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.Len() == 0 {
		return nil
	}
	s := r.waiting.Pop()
	if r.waiting.Len() > 0 {
		r.wake() // another one may help
	}
	return s
}

// run is one replayer, until ctx ends.
func (r *replayers) run(ctx context.Context) {
	var buf []byte
	for {
		select {
		case <-r.some:
		case <-ctx.Done():
			return
		}
		for s := r.take(); s != nil && ctx.Err() == nil; s = r.take() {
			now := s.catchUp(ctx, &buf)
			if cap(buf) > 4*pageBytes {
				buf = nil // one event has made it very large
			}
			s.shard.post(func() { s.shard.replayed(s, now) })
		}
	}
}

// catchUp sends a subscriber what comes next, as far as it takes it in its turn.
func (s *subscriber) catchUp(ctx context.Context, buf *[]byte) progress {
	c := s.cursor
	for range turnPages {
		if s.rest.text != "" { // first: a page may be something that is told once
			end := s.rest.end
			all, _, err := s.push(buf, s.rest.at, nil)
			switch {
			case err != nil:
				return lost
			case !all:
				return blocked
			case s.last:
				return finished
			}
			if end { // whether that was the last may have to be read from the log
				if ended, err := c.group.ended(ctx, s.shard.hub, c.query.After); err == nil && ended {
					return finished
				}
			}
		}
		from := c.query.After.Seq
		pieces, now, err := c.next(ctx)
		if err != nil {
			now := tooSlow
			if !errors.Is(err, errLag) {
				now = broken
				s.shard.hub.cannotRead(ctx, c.query.After, err)
			}
			_, _, _ = s.push(buf, from, []piece{lastPiece(c.group.form, c.query.After)}) // a client that has gone comes back anyway
			return now
		}
		all, at, err := s.push(buf, from, pieces)
		switch {
		case err != nil:
			return lost
		case !all:
			s.last = now == over && s.rest.text != "" && s.rest.at == pieces[len(pieces)-1].at
			c.back(at)
			return blocked
		case now == over:
			return finished
		case now == live:
			return caughtUp
		}
		runtime.Gosched() // who is live goes first
	}
	return midway
}
