package hub

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// labelled gives a goroutine a name in profiles.
func labelled(name string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("goroutine", name), func(context.Context) { f() })
}

// warmEvents is how many of the newest events the window begins with, so that those who come back after a restart find them
// there.
const warmEvents = 20_000

// warm fills the window with what the log had before.
func (h *Hub) warm(ctx context.Context) error {
	q, err := h.log.Seek(ctx, eventlog.Everything(), eventlog.Start{Last: warmEvents})
	if err != nil {
		return err
	}
	h.window.begin(q.After)
	q.Told = q.After.Seq
	for head := h.log.Head(); h.window.head() != head; {
		moved, err := h.take(ctx, &q)
		if err != nil {
			return err
		} else if !moved {
			break
		}
	}
	return nil
}

// take takes the next records of the log into the window and wakes the shards. It reports whether there may be more.
func (h *Hub) take(ctx context.Context, q *eventlog.Query) (more bool, err error) {
	answer, err := h.log.Read(ctx, *q)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		// All who are before it have to ask the log, which tells them.
		*q = gap.Partial(*q)
		h.window.begin(gap.To)
		if gap.Reason == eventlog.Reset || gap.To.Seq > q.After.Seq {
			q.After = gap.To
		}
		h.wakeShards()
		return true, nil
	} else if err != nil {
		return false, err
	}
	h.count.take(answer.Records)
	h.revocations.see(answer.Records)
	h.window.add(answer.Records, answer.Complete)
	h.wakeShards()
	q.After = answer.Complete
	return answer.Complete != h.log.Head(), nil
}

func (h *Hub) wakeShards() {
	for _, s := range h.shards {
		s.wake()
	}
}

// blindAfter is for how long streams wait for a log that cannot be read. After that they have only heartbeats to hear, and their clients are
// better told that something is wrong.
const blindAfter = time.Minute

// turnAway ends all streams, and lets none in until the log can be read again.
func (h *Hub) turnAway() {
	if h.blind.Swap(true) {
		return
	}
	h.opts.Logger.Error("the log cannot be read for too long; all streams end, and whoever comes is told to come back later")
	for _, s := range h.shards {
		s.post(func() { s.each(func(sub *subscriber) { s.expel(sub, failed) }) })
	}
}

// orphaned ends all streams if the log was closed and the hub was not: nothing will come.
func (h *Hub) orphaned() {
	select {
	case <-h.ctx.Done():
		return
	case <-h.draining:
		return
	default:
	}
	h.opts.Logger.Error("the log is closed; all streams end, and whoever comes is told to come back later")
	h.endStreams(h.ctx)
}

// tail follows the log until ctx ends or the log is closed. Streams end, when the hub drains, only after one more look: what a
// publisher had the answer for is in the log, and may not be in the window.
func (h *Hub) tail(ctx context.Context) {
	looked := sync.OnceFunc(func() { close(h.lastLook) })
	defer looked()
	draining, last := h.draining, false
	var until eventlog.Position // the head when the hub began to drain
	q := eventlog.Query{Selector: eventlog.Everything(), After: h.window.head(), Limit: 4096, Bytes: 8 << 20}
	q.Told = q.After.Seq
	const shortest, longest = 10 * time.Millisecond, time.Second
	wait := shortest
	var since time.Time // that it cannot be read
	for {
		more, err := h.take(ctx, &q)
		switch {
		case errors.Is(err, eventlog.ErrClosed) || ctx.Err() != nil:
			return
		case err != nil:
			if !h.count.unread.Swap(true) {
				since = time.Now()
			}
			h.opts.Logger.Error("the newest events cannot be read, and nobody gets them; it will be tried again", "err", err.Error(), "again in", wait)
			select {
			case <-time.After(wait):
			case <-h.draining: // the clients find everything when they come back
				looked()
				return
			case <-ctx.Done():
				return
			}
			wait = min(2*wait, longest)
			if time.Since(since) > blindAfter {
				h.turnAway()
			}
			continue
		}
		h.count.unread.Store(false)
		h.blind.Store(false)
		wait = shortest
		if last && (!more || q.After.Gen != until.Gen || q.After.Seq >= until.Seq) {
			looked()
		}
		if more { // which may be so for as long as anybody publishes
			select {
			case <-draining:
				draining, last, until = nil, true, h.log.Head()
			default:
			}
			continue
		}
		select {
		case <-draining:
			draining, last, until = nil, true, h.log.Head()
		case _, ok := <-h.log.Watch():
			if !ok {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
