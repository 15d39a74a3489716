package natslog

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Any server answers a direct get, and one of them may have other messages than the leader. This happens after the leader has lost acknowledged
// messages, as when the directory of one hub was restored while another one was down: the server that still has the lost messages keeps them, and
// skips those that get the same numbers. A hub that reads them goes back, reads them again, and begins a generation each time.

// pass passes on the messages of a direct get that the leader has, too. more says that the server has further ones; pass reports whether to ask again.
func (f *follower) pass(ctx context.Context, batch []cluster.Message, more bool) (again bool, err error) {
	if len(batch) == 0 {
		return more, nil
	}
	b, err := f.o.Bounds(ctx) // later than the answer of the server, which is not ahead of its leader
	if err != nil {
		return false, later(ctx, err)
	}
	n := 0
	for n < len(batch) && batch[n].Seq == f.next+uint64(n) && batch[n].Seq <= b.Last {
		n++
	}
	switch {
	case n == 0 && f.next <= b.Last:
		return true, f.skip(ctx)
	case n == 0:
		return false, nil
	}
	if err := f.confirm(ctx, batch[:n]); err != nil {
		return false, later(ctx, err)
	}
	return more || n < len(batch), f.deliver(batch[:n:n])
}

// confirm asks the leader for the last message of a batch. If that is another one, confirm replaces the whole batch by the leader's messages.
func (f *follower) confirm(ctx context.Context, batch []cluster.Message) error {
	last := batch[len(batch)-1]
	m, err := f.o.Message(ctx, last.Seq)
	switch {
	case errors.As(err, new(*cluster.GoneError)): // the leader has dropped it, or has it damaged
		return f.same()
	case err != nil:
		return err
	case m.ID == last.ID && m.Time.Equal(last.Time):
		return f.same()
	}
	f.o.o.Logger.Warn("a server of the shared log has other messages than its leader, whose messages this hub takes", "from", batch[0].Seq, "to", last.Seq)
	for i := range batch {
		if batch[i], err = f.o.Message(ctx, batch[i].Seq); err != nil {
			return err
		}
	}
	return f.same()
}

// later returns nil for an error which only means that no leader answers at the moment. The follower asks again after quietTime; the messages from
// the doorbell are those of the leader.
func later(ctx context.Context, err error) error {
	_, gone := errors.AsType[*cluster.GoneError](err)
	_, back := errors.AsType[*cluster.BackError](err)
	_, stream := errors.AsType[*StreamError](err)
	if ctx.Err() != nil || gone || back || stream || errors.Is(err, cluster.ErrMissing) || errors.Is(err, cluster.ErrReplaced) || errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil
}
