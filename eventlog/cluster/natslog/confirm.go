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

// confirm returns the messages of a direct get that the leader has, too. If the leader has another one in the place of the last, confirm returns the
// leader's messages instead.
func (f *follower) confirm(ctx context.Context, batch []cluster.Message) ([]cluster.Message, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	b, err := f.o.Bounds(ctx) // later than the answer of the server, which is not ahead of its leader
	if err != nil {
		return nil, err
	}
	for len(batch) > 0 && batch[len(batch)-1].Seq > b.Last {
		batch = batch[:len(batch)-1]
	}
	if len(batch) == 0 {
		return nil, nil
	}
	last := &batch[len(batch)-1]
	m, err := f.o.Message(ctx, last.Seq)
	switch {
	case errors.As(err, new(*cluster.GoneError)): // the leader has dropped it, or has it damaged
		return batch, f.same()
	case err != nil:
		return nil, err
	case m.ID == last.ID && m.Time.Equal(last.Time):
		return batch, f.same()
	}
	f.o.o.Logger.Warn("a server of the shared log has other messages than its leader, whose messages this hub takes", "from", batch[0].Seq, "to", last.Seq)
	for i := range batch {
		if batch[i], err = f.o.Message(ctx, batch[i].Seq); err != nil {
			return nil, err
		}
	}
	return batch, f.same()
}

// unconfirmed reports whether an error of confirm only means that no leader answers at the moment. The follower asks again after quietTime; the
// messages from the doorbell are those of the leader.
func unconfirmed(err error) bool {
	_, gone := errors.AsType[*cluster.GoneError](err)
	_, back := errors.AsType[*cluster.BackError](err)
	_, stream := errors.AsType[*StreamError](err)
	return err != nil && !gone && !back && !stream && !errors.Is(err, cluster.ErrMissing) && !errors.Is(err, cluster.ErrReplaced) && !errors.Is(err, nats.ErrConnectionClosed)
}
