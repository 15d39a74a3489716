package redislog

import (
	"context"
	"fmt"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Publish implements [cluster.Order].
func (o *Order) Publish(ctx context.Context, to string, id cluster.ID, data []byte) error {
	if largest := o.largest.Load(); int64(len(data)) > largest {
		return &cluster.RefusedError{Err: fmt.Errorf("redislog: a message has %d bytes, and Redis takes %d", len(data), largest)}
	}
	// An abandoned call may still run for a moment while the caller reuses data. The conversion copies it.
	_, err := o.run(ctx, appendScript, o.wait, id.String(), string(data), to, o.keep)
	if err != nil && ctx.Err() == nil && refused(err) {
		return &cluster.RefusedError{Err: err, Later: true}
	}
	return err
}
