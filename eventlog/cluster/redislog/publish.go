package redislog

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Publish implements [cluster.Order].
func (o *Order) Publish(ctx context.Context, id cluster.ID, data []byte) error {
	if largest := o.largest.Load(); int64(len(data)) > largest {
		return &cluster.RefusedError{Err: fmt.Errorf("redislog: a message has %d bytes, and Redis takes %d", len(data), largest)}
	}
	known, _ := o.known.Load().(string)
	// A call that was given up may go on for a moment, and data is the caller's then. The conversion copies it.
	args := []any{id.String(), string(data), known, o.keep, "0"}
	var err error
	if o.wait == 0 {
		_, err = o.run(ctx, appendScript, args...)
	} else {
		args[4] = "1"
		err = o.appendAndWait(ctx, args)
	}
	if err != nil && ctx.Err() == nil && refused(err) {
		return &cluster.RefusedError{Err: err, Later: true}
	}
	return err
}

// appendAndWait appends a message, and waits until the replicas have received it. WAIT must follow on the same connection, which a pipeline
// ensures.
func (o *Order) appendAndWait(ctx context.Context, args []any) error {
	_, err := do(ctx, o, func(ctx context.Context, node *redis.Client) (reply, error) {
		got, replicas, err := o.pipeline(ctx, node, args)
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			if err := appendScript.Load(ctx, node).Err(); err != nil {
				return reply{}, o.explain(err)
			}
			got, replicas, err = o.pipeline(ctx, node, args)
		}
		switch {
		case err != nil:
			return reply{}, err
		case replicas < o.wait:
			return reply{}, fmt.Errorf("redislog: a message is stored, but %d of %d replicas have received it after %v", replicas, o.wait, waitTimeout)
		}
		return got, nil
	})
	return err
}

// pipeline runs the script and WAIT. It returns the number of replicas that have received the message.
func (o *Order) pipeline(ctx context.Context, node *redis.Client, args []any) (reply, int, error) {
	pipe := node.Pipeline()
	stored := appendScript.EvalSha(ctx, pipe, o.keys, args...)
	waited := pipe.Do(ctx, "WAIT", o.wait, waitTimeout.Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	got, err := o.parse(stored.Slice())
	if err != nil {
		return reply{}, 0, err
	}
	replicas, err := waited.Int()
	if err != nil {
		return reply{}, 0, fmt.Errorf("redislog: a message is stored, and WAIT failed: %w", err)
	}
	return got, replicas, nil
}
