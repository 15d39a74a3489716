package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A mirror may be damaged on its disk, and the other hubs have what it can no longer read. So a damaged mirror is replaced by a copy of
// another hub's. Until then, reads that need something unreadable fail: their clients go to another hub, instead of being told of a gap.
const (
	mendEvery  = 30 * time.Second // the first pause between two attempts to get a copy; it doubles
	mendAtMost = 10 * time.Minute
	mendWithin = time.Minute     // for this long reads fail; afterwards their clients are told of a gap
	mendFor    = 5 * time.Second // for this long one attempt asks: the others may still lack the newest messages of this hub
)

// harm is what is known about a damaged mirror.
type harm struct {
	mu    sync.Mutex
	since time.Time // when damage was found; zero: there is none
	next  time.Time // when to ask for a copy again
	pause time.Duration
}

// damaged reports whether the mirror has damage.
func (l *Log) damaged() bool {
	l.swap.RLock()
	checker, ok := l.mirror.(eventlog.Checker)
	l.swap.RUnlock()
	if !ok || l.o.Snapshot == nil {
		return false
	}
	_, damaged := checker.Checked()
	l.harm.mu.Lock()
	defer l.harm.mu.Unlock()
	switch {
	case !damaged:
		l.harm.since, l.harm.next, l.harm.pause = time.Time{}, time.Time{}, 0
	case l.harm.since.IsZero():
		l.harm.since = time.Now()
	}
	return damaged
}

// mends reports whether it is time to ask for a copy, because the mirror is damaged.
func (l *Log) mends() bool {
	if !l.damaged() {
		return false
	}
	l.harm.mu.Lock()
	defer l.harm.mu.Unlock()
	return !time.Now().Before(l.harm.next)
}

// mend replaces a damaged mirror by a copy that has all its messages, so that readers never see the head go back. It returns errAgain if it
// has done so, and nil if no hub has such a copy now.
func (f *follower) mend(ctx context.Context) error {
	f.log.Warn("the log of this hub is damaged; the hub asks the others for a copy of theirs", "message", f.place.seq)
	var err error
	for began := time.Now(); time.Since(began) < mendFor; {
		if err = f.replace(ctx, max(f.place.seq, 1)-1); errors.Is(err, errAgain) || errors.Is(err, eventlog.ErrClosed) {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	h := &f.harm
	h.mu.Lock()
	h.pause = min(max(2*h.pause, mendEvery), mendAtMost)
	h.next = time.Now().Add(h.pause)
	pause := h.pause
	h.mu.Unlock()
	f.log.Error("the log of this hub is damaged, and there is no copy of another hub's now; subscribers get a gap where records are unreadable",
		"cause", err, "again in", pause)
	return nil
}

// awaitsCopy converts the error of a read that has met damage, while a copy of another hub's log may still come.
func (l *Log) awaitsCopy(err error) error {
	gap, isGap := errors.AsType[*eventlog.GapError](err)
	unreadable := isGap && gap.Reason == eventlog.Corrupt || errors.Is(err, eventlog.ErrCorrupt)
	if !unreadable || !l.damaged() {
		return err
	}
	l.harm.mu.Lock()
	since := l.harm.since
	l.harm.mu.Unlock()
	if time.Since(since) > mendWithin {
		return err
	}
	l.kick()
	return &eventlog.UnavailableError{Reason: "a part of this hub's log is damaged, and the hub takes a copy of another hub's; ask another hub", Err: err}
}
