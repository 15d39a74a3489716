package fanout

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// labelled names a goroutine in profiles.
func labelled(name string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("goroutine", name), func(context.Context) { f() })
}

// preloaded is how many of the newest records are in the window at the start, for clients that reconnect after a restart.
const preloaded = 20_000

// preload fills the window with the newest records of the log.
func (f *Fanout) preload(ctx context.Context) error {
	q, err := f.log.Seek(ctx, eventlog.Everything(), eventlog.Start{Last: preloaded})
	if err != nil {
		return err
	}
	f.window.begin(q.After)
	q.Told = q.After.Seq
	for head := f.log.Head(); f.window.head() != head; {
		moved, err := f.take(ctx, &q, func([]eventlog.Record) {}, func(context.Context, eventlog.Position) error { return nil })
		if err != nil {
			return err
		} else if !moved {
			break
		}
	}
	return nil
}

// take calls seen with the next records of the log and moves them into the window. At a gap it calls skip instead, with the position after
// which it skips records. It reports whether there may be more.
func (f *Fanout) take(
	ctx context.Context, q *eventlog.Query, seen func([]eventlog.Record), skip func(context.Context, eventlog.Position) error,
) (more bool, err error) {
	answer, err := f.log.Read(ctx, *q)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		rest := gap.Partial(*q)
		after := rest.After
		if after != q.After { // the position means nothing in this log
			after = eventlog.Position{}
		}
		if err := skip(ctx, after); err != nil {
			return false, err // q is as before, so that the next call meets the gap again
		}
		// Subscribers before the gap have to read the log, which reports it to each of them.
		*q = rest
		f.window.begin(gap.To)
		if gap.Reason == eventlog.Reset || gap.To.Seq > q.After.Seq {
			q.After = gap.To
		}
		return true, nil
	} else if err != nil {
		return false, err
	}
	seen(answer.Records)
	f.window.add(answer.Records, answer.Complete)
	q.After = answer.Complete
	return answer.Complete != f.log.Head(), nil
}

// seen is called with each batch of new records after the start.
func (f *Fanout) seen(records []eventlog.Record) {
	f.count.stored.Add(uint64(len(records)))
	if f.opts.OnRecords != nil {
		f.opts.OnRecords(records)
	}
}

// skip is called before records after a position are skipped.
func (f *Fanout) skip(ctx context.Context, after eventlog.Position) error {
	if f.opts.OnSkip == nil {
		return nil
	}
	return f.opts.OnSkip(ctx, after)
}

// copiesOf returns the method of an [eventlog.Copier]. Other logs have no copies.
func copiesOf(log eventlog.Log) func() uint64 {
	if c, ok := log.(eventlog.Copier); ok {
		return c.Copies
	}
	return func() uint64 { return 0 }
}

// endWithLog ends all streams if the log was closed before the Fanout, because no event can follow.
func (f *Fanout) endWithLog() {
	select {
	case <-f.ctx.Done():
		return
	case <-f.draining:
		return
	default:
	}
	f.opts.Logger.Error("the log is closed; all streams end, and new ones are refused")
	f.endStreams(f.ctx)
}

// tail follows the log until it is closed or reading ends.
func (f *Fanout) tail() {
	t := &tail{
		f: f, draining: f.draining, wait: shortestRetry, lastRead: sync.OnceFunc(func() { close(f.lastRead) }),
		query: eventlog.Query{Selector: eventlog.Everything(), After: f.window.head(), Limit: 4096, Bytes: 8 << 20}, copied: f.copied,
	}
	t.query.Told = t.query.After.Seq
	t.run()
	t.lastRead()
	f.endWithLog()
}

// tail reads the log for the window. When a drain begins, it first reads all records that the log has at that moment: a publisher may have
// the receipt for a record that is not in the window yet.
type tail struct {
	f     *Fanout
	query eventlog.Query

	copied uint64 // copies of the log that the tail knows

	draining <-chan struct{}   // nil once it was closed
	last     eventlog.Position // then: the head of the log at that moment
	lastRead func()            // called once the window has everything up to last

	failing time.Time // when the log became unreadable; zero: it is readable
	wait    time.Duration
}

const shortestRetry, longestRetry = 10 * time.Millisecond, time.Second

func (t *tail) run() {
	f := t.f
	for {
		more, err := t.take()
		switch {
		case errors.Is(err, eventlog.ErrClosed) || f.ctx.Err() != nil:
			return
		case err != nil:
			if !t.failed(err) {
				return
			}
			continue
		}
		for _, s := range f.shards {
			s.wake()
		}
		f.unread.Store(false)
		f.refusing.remove(causeUnreadable)
		t.wait = shortestRetry
		if at := t.query.After; t.draining == nil && (!more || at.Gen != t.last.Gen || at.Seq >= t.last.Seq) {
			t.lastRead()
		}
		if !t.awaitRecords(more) {
			return
		}
	}
}

// take takes the next records. If the log was replaced by a copy, the records in the window and before it may be others.
func (t *tail) take() (more bool, err error) {
	f := t.f
	if copies := f.copies(); copies != t.copied {
		if err := f.skip(f.ctx, eventlog.Position{}); err != nil {
			return false, err
		}
		f.window.begin(t.query.After)
		t.copied = copies
	}
	return f.take(f.ctx, &t.query, f.seen, f.skip)
}

// awaitRecords waits until there may be records to read. With more it returns at once. It reports false when reading ends.
func (t *tail) awaitRecords(more bool) bool {
	if more { // this may stay true as long as publishers append
		select {
		case <-t.draining:
			t.beginDraining()
		default:
		}
		return true
	}
	select {
	case <-t.draining:
		t.beginDraining()
	case _, ok := <-t.f.log.Watch():
		return ok
	case <-t.f.ctx.Done():
		return false
	}
	return true
}

func (t *tail) beginDraining() { t.draining, t.last = nil, t.f.log.Head() }

// failed waits before the next attempt to read a log that cannot be read. It reports false if there is no next attempt.
func (t *tail) failed(err error) bool {
	f := t.f
	if !f.unread.Swap(true) {
		t.failing = time.Now()
	}
	f.opts.Logger.Error("the newest events cannot be read, so no subscriber gets them; the hub will try again", "err", err.Error(), "again in", t.wait)
	select {
	case <-time.After(t.wait):
	case <-f.draining: // clients get all events when they reconnect
		return false
	case <-f.ctx.Done():
		return false
	}
	t.wait = min(2*t.wait, longestRetry)
	if time.Since(t.failing) > refuseAfter {
		f.refuse(causeUnreadable, "the log cannot be read for too long")
	}
	return true
}
