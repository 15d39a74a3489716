package redislog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// channel is the channel for Broadcast. All databases of a server share its channels, so its name contains the database.
func (o *Order) channel() string { return fmt.Sprintf("{%s}:broadcast:%d", o.prefix, o.database) }

// Broadcast implements [cluster.Order].
func (o *Order) Broadcast(ctx context.Context, data []byte) error {
	text := string(data) // see Publish
	_, err := do(ctx, o, func(ctx context.Context, node *redis.Client) (struct{}, error) {
		if err := node.Publish(ctx, o.channel(), text).Err(); err != nil {
			return struct{}{}, o.explain(err)
		}
		return struct{}{}, nil
	})
	return err
}

// Listen implements [cluster.Order]. It connects again after a failure, also if there is no connection at first.
func (o *Order) Listen(f func(data []byte)) (stop func(), err error) {
	if err := o.begin(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(o.ctx, time.Second)
	defer cancel()
	subscription := o.client.Subscribe(ctx, o.channel())
	_, _ = subscription.Receive(ctx) // the confirmation: from now on no message is missed. After an error, Channel connects again
	messages := subscription.Channel()
	ended := make(chan struct{})
	go func() {
		defer o.calls.Done()
		defer close(ended)
		for m := range messages {
			f([]byte(m.Payload))
		}
	}()
	end := sync.OnceFunc(func() { _ = subscription.Close() })
	afterClose := context.AfterFunc(o.ctx, end)
	return func() {
		afterClose()
		end()
		<-ended
	}, nil
}
