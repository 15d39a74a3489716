package natslog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

const (
	quietTime = 300 * time.Millisecond // without progress before a follower asks whether there are newer messages, because the doorbell may lose some

	doorbellMessages = 8192     // that wait for a slow follower; more are dropped, and fetched later
	doorbellBytes    = 16 << 20 // of these messages

	fetchMessages = 1000    // of one direct get
	fetchBytes    = 4 << 20 // after which a direct get ends
)

// Follow implements [cluster.Order].
func (o *Order) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	f := &follower{o: o, take: take, next: max(from, 1)}
	f.made = o.last.Load() // nil: compare asks
	if err := f.subscribe(ctx); err != nil {
		return err
	}
	defer f.unsubscribe()
	if err := f.compare(ctx); err != nil {
		return err
	}
	for {
		if err := f.same(); err != nil {
			return err
		}
		if err := f.fetch(ctx); err != nil {
			return err
		}
		if err := f.listen(ctx); err != nil {
			return err
		}
	}
}

// follower is a call of Follow.
type follower struct {
	o    *Order
	take func([]cluster.Message) error
	next uint64 // number of the message that comes next
	made *made  // the stream that has it

	bell   *nats.Subscription // the doorbell
	answer *nats.Subscription // answers to direct gets
	inbox  string             // the subjects of answer begin with it
	asked  int                // direct gets so far: each has a subject of its own, so that late answers are not taken for others
}

// subscribe subscribes before anything is fetched, so that nothing is lost between.
func (f *follower) subscribe(ctx context.Context) (err error) {
	nc := f.o.nc
	f.inbox = nc.NewInbox()
	if f.bell, err = nc.SubscribeSync(f.o.live); err != nil {
		return f.o.plainly(err)
	}
	if err = f.bell.SetPendingLimits(doorbellMessages, doorbellBytes); err == nil {
		f.answer, err = nc.SubscribeSync(f.inbox + ".*")
	}
	if err == nil {
		err = f.answer.SetPendingLimits(-1, -1) // bounded by the size of a request
	}
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		err = nc.FlushWithContext(wait)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = ctx.Err()
	default:
		err = f.o.plainly(err)
	}
	f.unsubscribe()
	return err
}

func (f *follower) unsubscribe() {
	for _, s := range []*nats.Subscription{f.bell, f.answer} {
		if s != nil {
			_ = s.Unsubscribe() // fails only on a closed connection, which ends subscriptions, too
		}
	}
}

// compare asks the leader whether it has the next message, or whether that is the one after the last.
func (f *follower) compare(ctx context.Context) error {
	b, err := f.o.reaching(ctx, f.next-1)
	switch {
	case err != nil:
		return err
	case f.next < b.First:
		return &cluster.GoneError{First: b.First}
	}
	return f.same()
}

// same returns ErrReplaced if the stream is not the one that the follower began with.
func (f *follower) same() error {
	last := f.o.last.Load()
	if f.made == nil {
		f.made = last
	}
	if last.identity != f.made.identity {
		return cluster.ErrReplaced
	}
	return nil
}

// deliver passes on messages that continue the earlier ones.
func (f *follower) deliver(batch []cluster.Message) error {
	if err := f.take(batch); err != nil {
		return err
	}
	f.next += uint64(len(batch))
	return nil
}

// listen passes on the messages from the doorbell, until one is missing or none has arrived for quietTime.
func (f *follower) listen(ctx context.Context) error {
	until := time.Now().Add(quietTime)
	for {
		m, err := f.ring(ctx, until)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrSlowConsumer):
			return nil
		case err != nil:
			return f.o.plainly(err)
		}
		batch, missing := f.rings(m)
		if len(batch) > 0 {
			if err := f.deliver(batch); err != nil {
				return err
			}
			until = time.Now().Add(quietTime)
		}
		if missing {
			return nil
		}
	}
}

func (f *follower) ring(ctx context.Context, until time.Time) (*nats.Msg, error) {
	quiet, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return f.bell.NextMsgWithContext(quiet)
}

// rings returns m and the messages after it that have already arrived, as far as they continue the earlier ones. It reports whether one
// is missing. It leaves out messages that were fetched before, and messages from other sources.
func (f *follower) rings(m *nats.Msg) (batch []cluster.Message, missing bool) {
	for size := 0; ; {
		next := f.next + uint64(len(batch))
		switch stored, err := f.o.stored(m, f.made.subject); {
		case err != nil:
			f.o.o.Logger.Debug("a message is left out", "error", err)
		case stored.Seq > next:
			return batch, true
		case stored.Seq == next:
			batch = append(batch, stored)
			size += len(stored.Data)
		}
		if waiting, _, err := f.bell.Pending(); err != nil || waiting == 0 || len(batch) >= fetchMessages || size >= fetchBytes {
			return batch, false
		}
		var err error
		if m, err = f.bell.NextMsg(quietTime); err != nil {
			return batch, true
		}
	}
}
