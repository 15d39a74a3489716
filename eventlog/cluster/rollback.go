package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// rollback is called when the order does not have the last message of the mirror: it has lost messages, or was replaced. The mirror
// drops what the order does not have, and begins the generation that is in force at its end.
func (f *follower) rollback(ctx context.Context, b Bounds) error {
	if f.place.gen == "" && f.place.seq > origin(f.place.head).seq { // the hub has kept nothing of the order, and reads it again
		f.dirty, f.doubted = true, mark{}
		return errAgain
	}
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
	if (f.wanted != nil || errors.As(err, new(*ForeignError))) && f.resets() {
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
	if begin == nil && !f.resets() { // a hub that only had a copy of the creator's log began the generation, and did not know after which message it continues
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
