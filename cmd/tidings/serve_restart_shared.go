package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// reachTime is how long the shared log may take to answer a process that wants to take the place of another one. It is less than prepareTime.
const reachTime = 5 * time.Second

// reach returns an error if the shared log in Redis or NATS does not answer this process, or refuses it. A process that took the place of another one
// then could not open its log. It is better found while the other one serves. In a cluster that keeps the log on its hubs, the ports belong to the
// running process until it has ended, so nothing can be asked.
func (s *sharedLog) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	var err error
	switch f := s.flags; {
	case f.NATS != "":
		err = s.reachNATS(ctx)
	case f.Redis != "":
		err = f.reachRedis(ctx)
	}
	if err != nil {
		return fmt.Errorf("this process cannot use the shared log: %w; restart when that is mended, or stop the running hub and start it again", err)
	}
	return nil
}

// reachRedis makes the checks of openRedis.
func (f *redisFlags) reachRedis(ctx context.Context) error {
	o, err := f.redisOptions()
	if err != nil {
		return err
	}
	order, err := redislog.New(o)
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	if _, err = order.Check(ctx); err != nil {
		err = fmt.Errorf("--redis: %w", err)
	}
	return errors.Join(err, order.Close())
}

// reachNATS makes the checks of openNATS, whose warnings come later.
func (s *sharedLog) reachNATS(ctx context.Context) error {
	quiet := &sharedLog{flags: s.flags, logger: slog.New(slog.DiscardHandler), member: s.member}
	back, err := quiet.openNATS(ctx)
	if err != nil {
		return err
	}
	_, err = back.order.Bounds(ctx)
	if errors.Is(err, cluster.ErrMissing) {
		err = nil // it answers, and what is missing is no matter of this process
	} else if err != nil {
		err = fmt.Errorf("--nats: %w", err)
	}
	return errors.Join(err, back.order.Close())
}
