package cluster

import (
	"context"
	"errors"
	"time"
)

// Replicated is implemented by orders that several servers store, of which one is the leader. If the leader's copy alone is damaged, the hubs would
// drop messages that most servers have.
type Replicated interface {
	// Sample returns a message from one of the servers, chosen at random, or an error. The leader does not confirm it.
	Sample(ctx context.Context, seq uint64) (Message, error)

	// Elect makes another server the leader.
	Elect(ctx context.Context) error
}

const (
	sampleLead = 10              // of one message over another: by chance alone, one damaged server of three gets it in 1 of 1,000 cases
	sampleMost = 100             // after which the servers count as divided
	electEvery = 1 * time.Minute // between attempts to get another leader
)

var errOutvoted = errors.New("cluster: the leader of the shared log lacks a message that most servers that store it have; check its disk")

// outvoted returns an error if most servers of the order have the message of the mirror that the leader does not have. It then makes
// another server the leader.
func (f *follower) outvoted(ctx context.Context, mine mark) error {
	if mine.id == ([8]byte{}) {
		return nil
	}
	return f.sample(ctx, mine.seq, func(m *Message) bool { return short(m) == mine.id })
}

// kept returns an error if most servers of the order have a message that the leader lacks or has damaged. It then makes another server the
// leader, and the follower can read the message.
func (f *follower) kept(ctx context.Context, seq uint64) error {
	return f.sample(ctx, seq, func(m *Message) bool {
		_, err := decodeFrame(m.Data)
		return m.Seq == seq && !errors.Is(err, errDamaged)
	})
}

// sample returns errOutvoted if most servers of the order have a message as the follower needs it, and then makes another server the leader.
func (f *follower) sample(ctx context.Context, seq uint64, right func(m *Message) bool) error {
	order, ok := f.order.(Replicated)
	if !ok {
		return nil
	}
	sampling, cancel := context.WithTimeout(ctx, 2*answerWithin)
	defer cancel()
	lead := 0
	for range sampleMost {
		m, err := order.Sample(sampling, seq)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && right(&m):
			lead++
		default: // a server that lacks the message counts for the leader
			lead--
		}
		if lead == -sampleLead {
			return nil
		}
		if lead == sampleLead {
			f.log.Error("the leader of the shared log lacks a message that most servers that store it have; the hub asks for another leader, and drops nothing; check the disk of the old one",
				"message", seq)
			f.elect(ctx, order)
			return errOutvoted
		}
	}
	return nil
}

// elect makes another server the leader, unless this hub has just done so.
func (f *follower) elect(ctx context.Context, order Replicated) {
	if !f.elected.IsZero() && time.Since(f.elected) < electEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := order.Elect(ctx); err != nil {
		f.log.Warn("the shared log keeps its leader for now", "cause", err)
		return
	}
	f.elected = time.Now()
}
