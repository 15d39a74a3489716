package hub

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// runner sends to a subscriber by calls that wait: HTTP/2, TLS, and where there are no direct sockets. It has the cursor; the shard
// wakes it. It has a goroutine, of the shard's crew, only while there is something to be sent: most subscribers would have a stack for nothing.
type runner struct {
	sub    *subscriber
	cursor *cursor // its goroutine's, once it has been started
	out    socket

	turn    atomic.Uint32                     // 0: it sleeps; else it has a turn, or waits for one, and this grows each time it is woken
	pending atomic.Uint64                     // 1 and the number of the first event that is wanted since the cursor was looked at; 0: none
	beatAt  atomic.Pointer[eventlog.Position] // a heartbeat is due; whoever wants an event up to here has been woken
	wrote   atomic.Int64                      // tick of the shard's wheel at which it wrote last
	leaving atomic.Uint32                     // a reason: it is to end when it is live

	mu    sync.Mutex         // guards the following
	notes []piece            // what is to go out besides
	stop  context.CancelFunc // of reading the log, while it does

	awake bool  // it has had a turn; its goroutine's, as what follows
	bytes int64 // that were written
}

// newRunner returns one that sends something first.
func newRunner(sub *subscriber, out socket, first []byte) *runner {
	return &runner{sub: sub, cursor: sub.cursor, out: out, notes: []piece{{text: string(first), told: true}}}
}

// wake tells a runner of an event that it wants and is in the window, by its number; or by 0 that it has to look for itself.
// Calls come in the order of the log, so that the first is the one to remember.
func (r *runner) wake(seq uint64) {
	r.pending.CompareAndSwap(0, seq+1)
	r.nudge()
}

// nudge lets a runner have a turn, or one more after that which it has.
func (r *runner) nudge() {
	if r.turn.Add(1) == 1 {
		r.sub.shard.crew.add(r)
	}
}

func (r *runner) beat(at eventlog.Position) {
	r.beatAt.Store(&at)
	r.nudge()
}

// leave tells a runner to end. Who may have no more gets no more, also when the hub drains meanwhile: then it would get the rest first.
func (r *runner) leave(why reason) {
	if !r.leaving.CompareAndSwap(uint32(stays), uint32(why)) && why != drained {
		r.leaving.Store(uint32(why))
	}
	r.nudge()
}

// abort ends a runner whose client has gone, or for whom nobody waits any more. A write that waits fails.
func (r *runner) abort() {
	r.leave(gone)
	r.out.abort()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
}

func (r *runner) say(p piece) {
	r.mu.Lock()
	r.notes = append(r.notes, p)
	r.mu.Unlock()
	r.nudge()
}

func (r *runner) takeNotes() []piece {
	r.mu.Lock()
	defer r.mu.Unlock()
	notes := r.notes
	r.notes = nil
	return notes
}

// run is a turn, and one more each time it was woken meanwhile.
func (r *runner) run() {
	for {
		turn := r.turn.Load()
		b := buffers.get()
		why := r.send(&b)
		buffers.put(b)
		if why != stays {
			r.end(why)
			return // turn is left as it is: nobody wakes who has ended
		}
		if r.turn.CompareAndSwap(turn, 0) {
			return
		}
	}
}

// end is the end of the stream. The shard, which may watch the socket, lets go of it before that is closed.
func (r *runner) end(why reason) {
	sub := r.sub
	sub.bytes += r.bytes
	sub.shard.await(func() { sub.shard.close(sub, why) })
	sub.shard.hub.leave(sub, why)
	r.out.close()
}

// send sends what there is. It returns why the stream ends, or that it stays: because the client has gone, or all topics have ended, or
// it is told to leave.
func (r *runner) send(buf *[]byte) reason {
	c := r.cursor
	b := r.prepare(c, *buf)
	defer func() { *buf = b }()
	for {
		why := reason(r.leaving.Load()) // before it looks: what has come until then is sent
		if why == gone {
			return gone
		}
		from := c.query.After // everything up to here was sent
		pieces, now, err := r.next(c)
		end := complete
		if err != nil {
			if c.hub.ctx.Err() != nil || reason(r.leaving.Load()) == gone {
				return gone
			}
			if now, end = over, slow; !errors.Is(err, errLag) {
				end = failed
				c.hub.cannotRead(c.hub.ctx, c.query.After, err)
			}
			pieces = []piece{lastPiece(c.group.form, from)}
		}
		if why != stays && (now == live || why != drained || r.sub.shard.hasEnough(c)) {
			if now, end = over, why; why == drained {
				from = c.query.After
			} else {
				pieces = nil // it may have no more
			}
			pieces = append(pieces, lastPiece(c.group.form, from))
		}
		for _, p := range append(r.takeNotes(), pieces...) {
			b = append(b, p.text...)
		}
		if len(b) > 0 {
			if err := r.out.write(b); err != nil {
				return r.whyBroken(err)
			}
			r.wrote.Store(r.sub.shard.wheel.at(time.Now()))
			r.bytes += int64(len(b))
			c.hub.count.sent(1, eventsIn(pieces), len(b))
			b = b[:0]
		}
		switch now {
		case over:
			return end
		case live:
			return stays
		}
	}
}

// next returns what comes next. Whoever has to read the log does so no longer than its client is there.
func (r *runner) next(c *cursor) ([]piece, state, error) {
	if c.query.After.Seq >= c.until && c.hub.window.has(c.query.After) {
		return c.next(c.hub.ctx)
	}
	ctx, stop := context.WithCancel(c.hub.ctx)
	defer stop()
	r.setStop(stop)
	defer r.setStop(nil)
	if reason(r.leaving.Load()) == gone {
		stop()
	}
	return c.next(ctx)
}

func (r *runner) setStop(stop context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = stop
}

// whyBroken tells a client that took nothing from one that has gone.
func (r *runner) whyBroken(err error) reason {
	if reason(r.leaving.Load()) != gone && errors.Is(err, os.ErrDeadlineExceeded) {
		return slow
	}
	return gone
}

// prepare lets the cursor of one that was live skip what is not for it, and appends a heartbeat if one is due.
func (r *runner) prepare(c *cursor, b []byte) []byte {
	if !r.awake {
		r.awake = true
		return b
	}
	beat := r.beatAt.Swap(nil) // in this order: whoever wanted something up to there has been woken
	switch first := r.pending.Swap(0); {
	case first > 1:
		c.fall(first - 1)
		c.skip(first - 2)
	case first == 1: // it is to look for itself, from where it is
		c.fall(c.query.After.Seq + 1)
	case first == 0 && beat != nil && beat.Gen == c.query.After.Gen:
		c.skip(beat.Seq)
		fallthrough
	default:
		c.fall(0)
	}
	if beat == nil {
		return b
	}
	c.pieces = c.pieces[:0]
	if c.group.beat > 0 { // the subscriber wants to see each heartbeat
		c.sent = noID
	}
	if c.appendCheckpoint(); len(c.pieces) == 0 {
		return append(b, heartbeats[c.group.form]...)
	}
	return append(b, c.pieces[0].text...)
}

// cannotRead says that a stream ends because of the log.
func (h *Hub) cannotRead(ctx context.Context, at eventlog.Position, err error) {
	if ctx.Err() == nil && !errors.Is(err, eventlog.ErrClosed) {
		h.opts.Logger.Error("a stream ends, because its events cannot be read; the client comes back", "at", at.String(), "err", err.Error())
	}
}
