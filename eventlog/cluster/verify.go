package cluster

import (
	"context"
	"errors"
	"fmt"
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
			return f.stranded(err)
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
		return f.gap(ctx, b)
	}
	begin, err := f.firstBegin(ctx, b)
	switch {
	case err != nil:
		return err
	case begin == nil:
		f.continues = f.place.mark // the next order continues after this mirror, if no other one is faster
		return nil
	case (f.elsewhere(begin) || begin.Message == 0) && f.resets():
		return f.takeOver(ctx, b)
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

// stranded returns why a hub that must replace its mirror has no copy yet. All hubs may be such hubs, if they had lost the same message before the hub
// that made the order anew was lost: then only an administrator can say which log counts.
func (f *follower) stranded(err error) error {
	if f.wanted == nil || errors.Is(err, errAgain) || errors.Is(err, eventlog.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w, and this one needs a copy of that hub's log: %w; if no hub follows the shared log, reset the cluster", f.wanted, err)
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
	for next := from; next <= b.Last; { // the last messages of the order may be missing
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
			next = gone.First // messages are missing
			continue
		}
		if errors.Is(err, errScanned) {
			return nil
		}
		return err
	}
	return nil
}

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
