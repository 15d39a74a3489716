package fanout

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/tidings-sse/tidings/internal/queue"
)

// replayers bring direct subscribers that are behind to the position of their shards. They run outside the shards, so that live subscribers
// do not wait for them. Their number is small and does not depend on the number of subscribers: each subscriber gets some pages in its turn,
// then waits for its next turn.
type replayers struct {
	wakeup  chan struct{} // has a value when a subscriber may be waiting
	mu      sync.Mutex    // guards the following
	waiting queue.Queue[*direct]
}

// progress is the result of a subscriber's turn.
type progress int

const (
	midway   progress = iota // there is more
	caughtUp                 // it is at the head
	blocked                  // its socket is full
	finished                 // all topics have ended; no event can follow
	lost                     // the client has disconnected
	broken                   // the log cannot be read
	cutShort                 // the log is no longer read: the drain has taken too long, or the log is closed
	tooSlow                  // it is too far behind
	barred                   // the permission of its client was revoked
)

// turnPages is how many pages a subscriber gets in its turn.
const turnPages = 8

func newReplayers() *replayers { return &replayers{wakeup: make(chan struct{}, 1)} }

func (r *replayers) add(d *direct) {
	r.mu.Lock()
	r.waiting.Push(d)
	r.mu.Unlock()
	r.wake()
}

func (r *replayers) wake() {
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// take returns the subscriber that has waited longest, nil if there is none.
func (r *replayers) take() *direct {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.Len() == 0 {
		return nil
	}
	d := r.waiting.Pop()
	if r.waiting.Len() > 0 {
		r.wake() // another replayer may help
	}
	return d
}

// run is one replayer, until ctx ends.
func (r *replayers) run(ctx context.Context) {
	var space space
	for {
		select {
		case <-r.wakeup:
		case <-ctx.Done():
			return
		}
		for d := r.take(); d != nil && ctx.Err() == nil; d = r.take() {
			space.lend(d.cursor)
			now := d.catchUp(ctx, &space.buf)
			space.takeBack(d.cursor)
			d.shard.post(func() { d.replayed(now) })
		}
	}
}

// space is the memory in which a replayer makes pages. Each cursor has it for its turn, so that a subscriber that waits keeps none.
type space struct {
	buf    []byte
	events []*event
	chunks []chunk
}

func (s *space) lend(c *cursor) { c.events, c.chunks, c.lent = s.events, s.chunks, true }

// takeBack takes the memory back, except for a buffer that a large event has grown, and releases what it refers to.
func (s *space) takeBack(c *cursor) {
	if cap(s.buf) > mostSpace {
		s.buf = nil
	}
	s.events, s.chunks = c.events, c.chunks[:0]
	clear(s.chunks[:cap(s.chunks)])
	c.events, c.chunks, c.lent = nil, nil, false
}

// catchUp is one turn of a subscriber: it sends the next events, until the turn is over or the socket is full.
func (d *direct) catchUp(ctx context.Context, buf *[]byte) progress {
	c := d.cursor
	for range turnPages {
		if d.client.Revoked() { // a turn may last longer than it takes to publish something new
			return barred
		}
		// Ask for room first: all streams of a connection wake when it has room, and most of them find that others have taken it.
		room := d.room()
		if rest := d.unsentRest(); room > 0 && rest.text != "" { // before the next page, because a control message is made only once
			if now := d.finishRest(ctx, buf, rest); now != midway {
				return now
			}
			room = d.room()
		}
		if room == 0 {
			return blocked
		}
		from := c.query.After.Seq
		chunks, now, err := c.next(ctx, c.pageFor(room))
		if err != nil {
			now := broken
			switch {
			case errors.Is(err, errTooSlow):
				now = tooSlow
			case c.f.stopsReading(err):
				now = cutShort
			default:
				d.shard.f.logUnreadable(ctx, c.query.After, err)
			}
			_, _ = d.pushBehind(buf, from, []chunk{c.group.leaving(c.query.After)}) // on an error the client has disconnected, and resumes from its last id
			return now
		}
		chunks, now = c.fit(chunks, now, room)
		got, err := d.pushBehind(buf, from, chunks)
		switch {
		case err != nil:
			return lost
		case got.dropped:
			c.back(got.at)
			return blocked
		case !got.all: // everything that was made is sent, or in the rest
			d.last = now == atEnd
			return blocked
		case now == atEnd:
			return finished
		case now == atHead:
			return caughtUp
		}
		runtime.Gosched() // shards go first
	}
	return midway
}

// finishRest sends the rest of a chunk. The result is midway if the subscriber can continue.
func (d *direct) finishRest(ctx context.Context, buf *[]byte, rest chunk) progress {
	got, err := d.pushBehind(buf, rest.at, nil)
	switch {
	case err != nil:
		return lost
	case !got.all:
		return blocked
	case d.last:
		return finished
	}
	if rest.end { // the log may have to say whether this was the last topic to end
		c := d.cursor
		if ended, err := c.f.ends.complete(ctx, c.group, c.query.After); err == nil && ended {
			return finished
		}
	}
	return midway
}
