package hub

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog"
)

// runner is the goroutine of a subscriber whose bytes leave by a call that waits: HTTP/2, TLS, and where there are no direct
// sockets. It has the cursor; the shard wakes it.
type runner struct {
	ctx    context.Context
	cancel context.CancelFunc
	woken  chan struct{}

	pending atomic.Uint64                     // 1 and the number of the first event that is wanted since the cursor was looked at; 0: none
	beatAt  atomic.Pointer[eventlog.Position] // a heartbeat is due; whoever wants an event up to here has been woken
	wrote   atomic.Bool                       // since the shard looked last
	bytes   int64                             // that were written; its goroutine's
	leaving atomic.Uint32                     // a reason: it is to end when it is live

	mu    sync.Mutex
	notes []piece // guarded by mu: what is to go out besides
}

func newRunner(ctx context.Context) *runner {
	r := &runner{woken: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// wake tells a runner of an event that it wants and is in the window, by its number; or by 0 that it has to look for itself.
// Calls come in the order of the log, so that the first is the one to remember.
func (r *runner) wake(seq uint64) {
	r.pending.CompareAndSwap(0, seq+1)
	r.nudge()
}

func (r *runner) nudge() {
	select {
	case r.woken <- struct{}{}:
	default:
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

// run sends what there is, and what comes, until the client goes, or all has ended, or it is told to leave. first is what goes
// out before.
func (r *runner) run(c *cursor, out socket, first []byte) reason {
	b := append(buffers.get(), first...)
	defer func() { buffers.put(b) }()
	for {
		why := reason(r.leaving.Load()) // before it looks: what has come until then is sent
		pieces, now, err := c.next(r.ctx)
		end := complete
		if err != nil {
			if r.ctx.Err() != nil {
				return gone
			}
			if now, end = over, slow; !errors.Is(err, errLag) {
				end = failed
				c.hub.cannotRead(r.ctx, c.query.After, err)
			}
			pieces = []piece{retryPiece(c.group.form, 0)}
		}
		if why != stays && (now == live || why != drained) {
			if now, end = over, why; why != drained {
				pieces = nil // it may have no more
			}
			pieces = append(pieces, retryPiece(c.group.form, 0))
		}
		for _, p := range append(r.takeNotes(), pieces...) {
			b = append(b, p.text...)
		}
		if len(b) > 0 {
			if err := out.write(r.ctx, b); err != nil {
				return whyBroken(err)
			}
			r.wrote.Store(true)
			r.bytes += int64(len(b))
			c.hub.count.sent(1, eventsIn(pieces), len(b))
			b = b[:0]
		}
		switch now {
		case over:
			return end
		case behind:
			if r.ctx.Err() != nil {
				return gone
			}
			continue
		}
		buffers.put(b)
		b = nil
		select {
		case <-r.woken:
		case <-r.ctx.Done():
			return gone
		}
		b = r.prepare(c, buffers.get())
	}
}

// prepare lets the cursor skip what is not for it, and appends a heartbeat if one is due.
func (r *runner) prepare(c *cursor, b []byte) []byte {
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
