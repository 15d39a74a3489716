package natslog

import (
	"context"
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

const growEvery = 2 * time.Second // between attempts of Grow

// Grow raises the replicas of the stream to [Options].Replicas, if it has fewer. It waits until the stream exists, and NATS has as many servers.
// It returns nil when the stream has them, and the error of ctx if that ends before. Several hubs may call it at the same time.
func (o *Order) Grow(ctx context.Context) error {
	for said := false; ; {
		done, err := o.grow(ctx)
		if done {
			return nil
		}
		if err != nil && !said && ctx.Err() == nil && !errors.Is(err, cluster.ErrMissing) {
			said = true
			o.o.Logger.Info("the shared log does not have all its replicas yet", "wanted", o.o.Replicas, "error", err.Error())
		}
		if err := pause(ctx, growEvery); err != nil {
			return err
		}
	}
}

// grow asks once for more replicas. It reports whether the stream has enough of them.
func (o *Order) grow(ctx context.Context) (enough bool, err error) {
	info, err := o.info(ctx)
	switch {
	case err != nil:
		return false, err
	case info.Config.Replicas > o.o.Replicas:
		o.o.Logger.Warn("the shared log has more replicas than this hub is set to, and keeps them", "replicas", info.Config.Replicas, "set", o.o.Replicas)
		return true, nil
	case info.Config.Replicas == o.o.Replicas:
		return true, nil
	}
	c := info.Config
	c.Replicas = o.o.Replicas
	var answer struct{ refusal }
	if err := o.api(ctx, "STREAM.UPDATE."+o.o.Stream, c, &answer); err != nil {
		return false, err
	}
	if err := answer.err(); err != nil {
		return false, err
	}
	o.o.Logger.Info("the shared log gets more replicas", "before", info.Config.Replicas, "now", c.Replicas)
	return false, nil // the next look confirms it
}
