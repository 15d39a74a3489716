package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Log is the log of one hub of a cluster: a mirror that follows an order, and appends through it. It owns both.
//
// The files: gather.go and append.go bring records into the order. follow.go takes messages from it, and apply.go applies them to the mirror.
// verify.go finds out whether the order still has the mirror's messages, and compare.go which ones it lacks; rollback.go moves the mirror back to
// before those. replicas.go finds a leader that most servers of the order contradict. probe.go checks the order at intervals, generation.go begins
// generations. hole.go finds out whether another hub has messages that this one can no longer get, join.go replaces the mirror by a copy, and
// mend.go does so if it is damaged. missing.go makes an order. audit.go compares decisions with those of other hubs. clock.go says what time it
// is, whatever a single clock shows.
type Log struct {
	order Order
	o     Options
	log   *slog.Logger
	self  [8]byte   // the first half of identifiers of this process
	mine  *Settings // of Options; nil: those of the cluster

	ctx    context.Context // ends with the log
	cancel context.CancelCauseFunc
	group  sync.WaitGroup // all goroutines
	watch  chan struct{}
	kicked chan struct{} // see kick
	closed sync.Once

	swap   sync.RWMutex // held for writing while the mirror is replaced
	mirror eventlog.Mirror
	copies atomic.Uint64 // how many times it was replaced

	mu     sync.Mutex // guards the following fields
	view   view
	moved  chan struct{} // closed and replaced when view changes
	failed error         // why the log has given up
	stop   context.CancelCauseFunc

	appends appends
	peers   peers
	clocks  clocks
	harm    harm
}

// view is the state of the follower for the other goroutines.
type view struct {
	place
	mirrorGen string
	missed    bool      // records before the place are missing, and no generation is known
	continues mark      // the place after which a new order continues, before its generation begins
	begin     *Begin    // of the generation in force; nil: there is none, or it is not known
	settings  *Settings // in force; nil: none
	following bool      // the order is followed
	stray     bool      // the mirror is not a copy of the order, or has to be replaced
	reset     bool      // an administrator has decided that this hub's log counts
	forced    bool      // the next generation has to begin whatever was in force before

	joined  bool
	contact time.Time // the last time at which this hub had every message of the order
	bounds  Bounds    // of the order, at the last answer
	trouble error     // why the order is not followed
	newest  time.Time // time of the newest message
	arrived time.Time // when it was taken
	live    bool      // the newest message came after the hub had joined, so that the clock of the order showed newest at arrived
	changes int       // of the generation since the start
	audited audited
}

var (
	_ eventlog.Log     = (*Log)(nil)
	_ eventlog.Readier = (*Log)(nil)
	_ eventlog.Lookup  = (*Log)(nil)
	_ eventlog.Lister  = (*Log)(nil)
	_ eventlog.Awaiter = (*Log)(nil)
	_ eventlog.Contact = (*Log)(nil)
	_ eventlog.Shared  = (*Log)(nil)
	_ eventlog.Copier  = (*Log)(nil)
)

// Open returns a log that follows an order into a mirror. It returns at once, even if the order cannot be reached; [Log.Join] waits until
// the log can be used. Open owns the mirror and the order also if it fails.
func Open(mirror eventlog.Mirror, order Order, o *Options) (*Log, error) {
	if o == nil {
		o = &Options{}
	}
	l := &Log{order: order, o: *o, log: o.Logger, mirror: mirror, watch: make(chan struct{}, 1), kicked: make(chan struct{}, 1), moved: make(chan struct{})}
	_, _ = rand.Read(l.self[:]) // never fails: crypto/rand ends the program instead
	if l.o.Name == "" {
		l.o.Name = hex.EncodeToString(l.self[:])
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.appends.init()
	l.clocks.asked = make(chan struct{}, 1)
	f := &follower{Log: l, dirty: true}
	err := f.load()
	if errors.Is(err, eventlog.ErrCorrupt) && o.Snapshot != nil {
		err = nil // the first session replaces the mirror
	}
	if err == nil && o.Retention != nil {
		l.mine, err = settingsOf(o.Retention)
	}
	if err == nil {
		err = l.listenToPeers()
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.group.Go(f.run)
	l.group.Go(l.probing)
	l.group.Go(l.ticking)
	for range inFlight {
		l.group.Go(l.sending)
	}
	return l, nil
}

// Close closes the log, its mirror and its order. Waiting calls return ErrClosed.
func (l *Log) Close() error {
	var err error
	l.closed.Do(func() {
		l.end(eventlog.ErrClosed)
		l.swap.Lock()
		defer l.swap.Unlock()
		err = errors.Join(l.order.Close(), l.mirror.Close())
		close(l.watch)
	})
	return err
}

// end stops all goroutines and waits for them. Waiting calls return the cause.
func (l *Log) end(cause error) {
	l.cancel(cause)
	l.peers.close()
	l.group.Wait()
}

// fail stops following the order for good; the log can still be read.
func (l *Log) fail(err error) {
	l.mu.Lock()
	first := l.failed == nil
	if first {
		l.failed = err
		l.view.trouble = err
		l.changed()
	}
	l.mu.Unlock()
	if first {
		l.log.Error("this hub has stopped following the shared log, and needs an operator", "cause", err)
	}
}

// changed wakes the goroutines that wait for a view. The caller holds the lock.
func (l *Log) changed() {
	close(l.moved)
	l.moved = make(chan struct{})
}

// look returns the view, and a channel that is closed when it changes.
func (l *Log) look() (view, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view, l.moved
}

// show changes the view.
func (l *Log) show(change func(v *view)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.view)
	l.changed()
}

// until waits until a view satisfies ok. It returns early with the error of the context, or if the log has given up or was closed.
func (l *Log) until(ctx context.Context, ok func(v *view) bool) error {
	for {
		l.mu.Lock()
		done, moved, failed := ok(&l.view), l.moved, l.failed
		l.mu.Unlock()
		switch {
		case done:
			return nil
		case failed != nil:
			return failed
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
}

// wake notifies the receiver of Watch. If it has not received the previous value yet, that one is enough.
func (l *Log) wake() {
	select {
	case l.watch <- struct{}{}:
	default:
	}
}
