package natslog

import (
	"context"
	"sync"
)

// Broadcast implements [cluster.Order].
func (o *Order) Broadcast(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := o.nc.Publish(o.talk, data); err != nil {
		return o.plainly(err)
	}
	return nil
}

// Listen implements [cluster.Order].
func (o *Order) Listen(f func(data []byte)) (stop func(), err error) {
	sub, err := o.nc.SubscribeSync(o.talk)
	if err != nil {
		return nil, o.plainly(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			m, err := sub.NextMsgWithContext(ctx)
			switch {
			case err == nil:
				f(m.Data)
			case !sub.IsValid(): // by Close
				return
			} // otherwise messages were lost, or stop was called
		}
	})
	return func() {
		cancel()
		_ = sub.Unsubscribe() // fails only on a closed connection, which ends the subscription, too
		running.Wait()
	}, nil
}
