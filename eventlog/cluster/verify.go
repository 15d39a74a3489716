package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// verify finds out whether the order still has the last message of the mirror. If it does not, it moves the mirror to where both agree.
// Afterwards the mirror can follow from place.seq+1.
func (f *follower) verify(ctx context.Context, b Bounds) error {
	if f.resets() {
		f.wanted = nil // this hub's log counts
	}
	if f.place.diverged || f.wanted != nil {
		if err := f.replace(ctx, 0); !f.place.diverged || errors.Is(err, errAgain) {
			return err
		}
	}
	if f.mends() {
		if err := f.mend(ctx); err != nil {
			return err
		}
	}
	p := &f.place
	if p.seq == 0 {
		if b.First > 1 {
			return f.overtaken(b.First)
		}
		return f.gap(ctx, b)
	}
	if f.doubted.seq < b.First {
		f.doubted = mark{} // the order has dropped it since
	}
	if f.doubted.seq == 0 { // otherwise it is known since a session that failed
		if err := f.recheck(ctx, b); err != nil {
			return err
		}
	}
	if f.doubted.seq > 0 {
		return f.rollback(ctx, b)
	}
	m, err := f.readMessage(ctx, p.seq)
	gone, isGone := errors.AsType[*GoneError](err)
	_, isBack := errors.AsType[*BackError](err)
	switch {
	case err == nil && short(&m) == p.id:
		f.continues = mark{}
		if err := f.retarget(b); err != nil {
			return err
		}
		return f.gap(ctx, b)
	case isGone && gone.First > p.seq+1:
		return f.overtaken(gone.First)
	case isGone:
		return f.recreated(ctx, b)
	case err == nil || isBack:
		return f.rollback(ctx, b)
	}
	return err
}

// retarget notices that the order has lost the beginning of the generation that the mirror already has.
func (f *follower) retarget(b Bounds) error {
	if f.place.target <= b.Last {
		return nil
	}
	f.place.target = 0
	return f.save()
}

// recreated is called when the order begins after the last message of the mirror: it was trimmed up to there, or created anew.
func (f *follower) recreated(ctx context.Context, b Bounds) error {
	if f.begin != nil && f.begin.Identity == b.Identity {
		return nil
	}
	begin, err := f.firstBegin(ctx, b)
	switch {
	case err != nil:
		return err
	case begin == nil:
		f.continues = f.place.mark // the next order continues after this mirror, if no other one is faster
		return nil
	case f.elsewhere(begin) || begin.Message == 0:
		return f.rejoin(begin)
	}
	return nil
}

// elsewhere reports whether a new order continues after other messages than those of this mirror.
func (f *follower) elsewhere(b *Begin) bool {
	for _, m := range append(f.place.older(), f.place.mark, f.start) {
		if b.Message > 0 && m.seq == b.Message && idText(m.id) != b.ID {
			return true
		}
	}
	return false
}

// rejoin makes the next session replace the mirror.
func (f *follower) rejoin(b *Begin) error {
	f.wanted = errors.New("cluster: the shared log was created anew by a hub with other messages than this one")
	if b.Forced {
		f.wanted = errors.New("cluster: an administrator has reset the cluster to the log of another hub")
	}
	return f.wanted
}

// firstBegin returns the begin with which an order continues that was created anew, or that an administrator has given to this cluster. It
// returns nil if there is none yet.
func (f *follower) firstBegin(ctx context.Context, b Bounds) (first *Begin, err error) {
	err = f.scan(ctx, b.First, func(_ *Message, begin *Begin) bool {
		if begin.Message > 0 || begin.Forced && f.knows(begin.Prev) {
			first = begin
		}
		return first == nil
	})
	return first, err
}

// errScanned ends a scan.
var errScanned = errors.New("scanned")

// scan calls see with the generations that begin in the order from a number up to its end, until see returns false.
func (f *follower) scan(ctx context.Context, from uint64, see func(m *Message, b *Begin) bool) error {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter) // it could wait for messages that have been lost in the meantime
	defer cancel()
	b, err := f.bounds(ctx)
	if err != nil {
		return err
	}
	for next := from; next <= b.Last; { // the order may end with a hole
		err = f.order.Follow(ctx, next, func(messages []Message) error {
			f.learn(messages[len(messages)-1].Time)
			for i := range messages {
				m := &messages[i]
				fr, err := f.decode(m)
				if err == nil && fr.control != nil && !stale(m, &fr) {
					if c, err := decodeControl(fr.control); err == nil && c.Begin != nil && !see(m, c.Begin) {
						return errScanned
					}
				}
				if errors.Is(err, errNewer) {
					return err
				}
				if m.Seq >= b.Last {
					return errScanned
				}
			}
			return nil
		})
		if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > next {
			next = gone.First // a hole
			continue
		}
		if errors.Is(err, errScanned) {
			return nil
		}
		return err
	}
	return nil
}

// rollback is called when the order does not have the last message of the mirror: it has lost messages, or was replaced. The mirror
// drops what the order does not have, and begins the generation that is in force at its end.
func (f *follower) rollback(ctx context.Context, b Bounds) error {
	// The newest message that agrees may have come after others that do not.
	if f.doubted.seq == 0 {
		if err := f.compareAll(ctx, b, true); err != nil {
			return err
		}
	}
	mine := f.doubted
	if mine.seq == 0 {
		mine = f.place.mark
	}
	if err := f.outvoted(ctx, mine); err != nil {
		f.doubted = mark{}
		return err
	}
	m, err := f.agreed(ctx, b)
	if errors.As(err, new(*ForeignError)) && f.resets() {
		return f.takeOver(ctx, b)
	}
	if err != nil {
		return err
	}
	gen, seq, err := f.next(ctx, m, b)
	if err != nil {
		return err
	}
	f.log.Error("the shared log has lost messages that this hub has; the hub drops them, and all subscribers get a gap",
		"last", f.place.seq, "kept", m.seq, "generation", gen, "before", f.place.gen)
	if err := f.mirror.SetGeneration(f.ctx, gen, m.head); err != nil {
		f.dirty = true
		return mirrorError{err}
	}
	f.place.back(m)
	f.place.target = seq
	f.head, f.dirty, f.doubted, f.calm = m.head, true, mark{}, time.Time{}
	f.results.cut(m.seq)
	f.show(func(v *view) {
		v.changes++
		v.audited.back(m.seq)
	})
	if err := f.save(); err != nil {
		return err
	}
	f.wake()
	return f.load()
}

// agreed returns the newest mark of the mirror that the order still has.
func (f *follower) agreed(ctx context.Context, b Bounds) (mark, error) {
	for _, m := range f.place.older() {
		if m.seq > b.Last || m.seq < b.First || f.doubted.seq > 0 && m.seq >= f.doubted.seq {
			continue
		}
		switch message, err := f.readMessage(ctx, m.seq); {
		case err == nil && short(&message) == m.id:
			return m, nil
		case err == nil:
		case errors.As(err, new(*GoneError)), errors.As(err, new(*BackError)):
		default:
			return mark{}, err
		}
	}
	begin, err := f.firstBegin(ctx, b)
	if err != nil {
		return mark{}, err
	}
	for _, m := range f.place.older() {
		if begin != nil && m.seq == begin.Message && idText(m.id) == begin.ID {
			return m, nil
		}
	}
	if begin == nil && !f.resets() { // a hub that had a copy of its maker's log began the generation, and does not know after which message it continues
		err = f.scan(ctx, b.First, func(_ *Message, b *Begin) bool {
			if f.knows(b.Prev) {
				begin = b
			}
			return begin == nil
		})
		if err != nil {
			return mark{}, err
		}
	}
	if begin != nil && f.knows(begin.Prev) {
		return mark{}, f.rejoin(begin)
	}
	return mark{}, &ForeignError{Gen: f.place.gen, Message: f.place.seq}
}

// knows reports whether a generation was in force at a mark of the mirror.
func (f *follower) knows(gen string) bool {
	for _, m := range append(f.place.older(), f.place.mark) {
		if m.gen == gen && gen != "" {
			return true
		}
	}
	return false
}

// next returns the generation which the mirror gets when it goes back to a mark: the one in force at the end of the order, and the
// number of the message with which it began. If the mirror cannot take that generation, next publishes a new one and waits for it.
func (f *follower) next(ctx context.Context, m mark, b Bounds) (gen string, seq uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	var said began
	for {
		inForce, at := m.gen, uint64(0)
		if err := f.scan(ctx, m.seq+1, func(message *Message, b *Begin) bool {
			if b.counts(inForce) {
				inForce, at = b.Gen, message.Seq
			}
			return true
		}); err != nil {
			return "", 0, err
		}
		if head := f.mirror.Head(); at > 0 && (inForce != head.Gen || m.head == head.Seq) {
			return inForce, at, nil
		}
		if said.again() {
			begin := &Begin{Gen: eventlog.NewGeneration(), Prev: inForce, Cause: "the shared log has lost messages", Identity: b.Identity, After: m.head}
			if err := f.say(ctx, b.Identity, &control{Begin: begin}); errors.Is(err, ErrReplaced) { // after other errors it is repeated
				return "", 0, err
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", 0, ctx.Err()
		}
	}
}

func idText(id [8]byte) string { return hex.EncodeToString(id[:]) }

// answerWithin is how long the follower waits for an answer of the order.
const answerWithin = 5 * time.Second

func (l *Log) bounds(ctx context.Context) (Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return l.order.Bounds(ctx)
}

func (l *Log) readMessage(ctx context.Context, seq uint64) (Message, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return l.order.Message(ctx, seq)
}
