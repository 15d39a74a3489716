package cluster

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// follower is the goroutine that follows the order into the mirror. Only it changes the mirror.
type follower struct {
	*Log

	place    place // the last message that was taken; the mirror may be behind by the group
	head     uint64
	begin    *Begin
	settings *Settings
	forced   bool // see view
	missed   bool // messages before the next one are missing
	dirty    bool // the fields above have to be read from the mirror again
	start    mark // the place where the session began

	contradicted bool      // another hub has other messages; see compare.go
	doubted      mark      // the first message that the order does not have; zero: none is known. Without id: one before it
	trusted      uint64    // the newest message up to which the order was found to have all of the mirror's
	calm         time.Time // when trusted was set; see calmFor
	checking     uint64    // the messages before this one have to be compared with the order
	checked      uint64    // the value of checking at the last comparison; equal to checking: none is due
	identity     string    // of the order at the last session
	elected      time.Time // when this hub last asked for another leader
	continues    mark      // see view
	wanted       error     // why the mirror must be replaced; nil: it need not be
	stood        uint64    // the last message before the hole at which the hub stands, or stood last
	stoodSince   time.Time // when the hub came to stand there
	confirmed    []lack    // what this hub lacks of the holes at which other hubs stand; see confirm

	group    group
	messages int    // of the group, without audits
	newest   uint64 // the last message that is no audit
	results  results
	state    []byte // buffers
	scratch  []byte
}

var (
	errAgain        = errors.New("cluster: the mirror was replaced")
	errCheck        = errors.New("cluster: a generation begins; the hub compares its messages with the shared log")
	errContradicted = errors.New("cluster: another hub has other messages than this one; the hub compares its own with the shared log")
	errMoved        = errors.New("cluster: the shared log no longer has the last message of this hub")
	errHarmed       = errors.New("cluster: the log of this hub is damaged")
	errSilent       = errors.New("cluster: the shared log has newer messages, but does not send them")
)

// mirrorError is an error of the mirror, after which its place has to be read again.
type mirrorError struct{ error }

func (e mirrorError) Unwrap() error { return e.error }

// run follows the order until the log is closed or gives up.
func (f *follower) run() {
	pause, last := 20*time.Millisecond, ""
	for f.ctx.Err() == nil {
		began := time.Now()
		err := f.session()
		if f.ctx.Err() != nil {
			break
		}
		if errors.Is(err, errAgain) || errors.Is(err, errCheck) || errors.Is(err, errContradicted) {
			f.show(func(v *view) { v.following, v.trouble = false, nil })
			continue
		}
		f.show(func(v *view) {
			v.following, v.trouble = false, err
			v.stray = v.stray || f.wanted != nil || errors.As(err, new(*ForeignError))
		})
		switch {
		case isFinal(err):
			f.fail(err)
			f.stepAside()
			return
		case time.Since(began) > 10*time.Second:
			pause = 20 * time.Millisecond
		}
		if err.Error() != last {
			last = err.Error()
			f.log.Warn("the hub does not follow the shared log, and tries again", "cause", err)
		}
		if v, _ := f.look(); v.stray {
			f.stand(f.ctx, 0, math.MaxUint64) // its messages are not those of the order
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		case <-f.ctx.Done():
		}
	}
}

// isFinal reports whether an error stays until the hub is started again.
func isFinal(err error) bool {
	_, settings := errors.AsType[*SettingsError](err)
	foreign, ok := errors.AsType[*ForeignError](err)
	return settings || ok && foreign.Gen == "" || errors.Is(err, errNewer) || errors.Is(err, eventlog.ErrClosed)
}

// session finds the place in the order, and follows from there until an error.
func (f *follower) session() error {
	ctx, stop := context.WithCancelCause(f.ctx)
	defer stop(nil)
	f.mu.Lock()
	f.stop = stop
	f.mu.Unlock()

	f.group.reset()
	f.confirmed = nil
	if f.dirty {
		err := f.load()
		if errors.Is(err, eventlog.ErrCorrupt) && f.mends() {
			err = errors.Join(err, f.mend(ctx))
		}
		if err != nil {
			return err
		}
	}
	if v, _ := f.look(); v.audited.diverged && !f.place.diverged {
		f.place.diverged = true
		if err := f.save(); err != nil {
			return err
		}
	}
	b, err := f.bounds(ctx)
	switch {
	case errors.Is(err, ErrMissing):
		return f.create(ctx, err)
	case err != nil:
		return err
	}
	if f.identity == "" && f.begin != nil {
		f.identity = f.begin.Identity
	}
	if b.Identity != f.identity {
		f.identity, f.checking = b.Identity, f.place.seq+1
	}
	if err := f.verify(ctx, b); err != nil {
		return err
	}
	f.start = f.place.mark
	f.log.Debug("the hub follows the shared log", "after", f.place.seq, "head", f.place.head, "generation", f.place.gen, "target", f.place.target, "mirror", f.mirror.Head())
	f.publishView(func(v *view) { v.following, v.trouble, v.stray, v.bounds = true, nil, false, b })
	f.kick()
	err = f.order.Follow(ctx, f.place.seq+1, f.take)
	if broken := (mirrorError{}); errors.As(err, &broken) {
		f.dirty = true
	}
	if errors.Is(err, ErrReplaced) {
		f.checking = f.place.seq + 1
	}
	if ctx.Err() != nil && f.ctx.Err() == nil {
		return context.Cause(ctx)
	}
	return err
}

// load reads the place from the mirror.
func (f *follower) load() error {
	state, err := f.mirror.State(f.ctx)
	if err != nil {
		return err
	}
	p, err := decodePlace(state)
	if err != nil {
		return err
	}
	f.head = f.mirror.Head().Seq
	if len(state) == 0 {
		p = origin(f.head)
	}
	f.mirror.SetClock(f.now)
	f.place, f.missed, f.trusted = p, false, 0
	f.results.cut(p.seq)
	f.newest = min(f.newest, p.seq)
	if err := f.reload(); err != nil {
		return err
	}
	f.dirty = false
	f.publishView(func(v *view) { v.audited.diverged = v.audited.diverged || p.diverged })
	return nil
}

// reload reads from the mirror which generation and settings are in force. The mirror gets these settings: it may have been opened with
// others, or have dropped the records that changed them.
func (f *follower) reload() error {
	begin, settings, err := inForce(f.ctx, f.mirror)
	if err != nil {
		return err
	}
	f.begin, f.settings = begin, settings
	if settings == nil {
		return nil
	}
	ret, err := settings.retention()
	if err != nil {
		return err
	}
	return f.mirror.SetRetention(f.ctx, ret)
}

// publishView shows the follower's place to the other goroutines.
func (f *follower) publishView(change func(v *view)) {
	gen := f.mirror.Head().Gen
	f.show(func(v *view) {
		v.place, v.mirrorGen, v.missed, v.forced = f.place, gen, f.missed, f.forced
		v.continues, v.begin, v.settings = f.continues, f.begin, f.settings
		change(v)
	})
}

// saveOrigin stores the origin as the place of a mirror that is about to skip messages before its first generation. If the process ends between the skip
// and the first records, the mirror has a head; without a place it would count as the log of a hub alone.
func (f *follower) saveOrigin() error {
	p := origin(f.place.head)
	return f.store(func([]eventlog.Outcome) []byte { return p.appendTo(nil) })
}

// save stores the place in the mirror, without records.
func (f *follower) save() error {
	if f.mirror.Head().Gen == "" {
		return nil // a mirror without a generation stores nothing, and starts from the beginning
	}
	return f.store(f.decided) // the group is empty
}

// store stores a state in the mirror, without records.
func (f *follower) store(state func([]eventlog.Outcome) []byte) error {
	if _, err := f.mirror.Apply(f.ctx, nil, state); err != nil {
		return mirrorError{err}
	}
	return nil
}
