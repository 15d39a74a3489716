package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// drainFlags say how a hub stops.
type drainFlags struct {
	DrainDelay time.Duration `default:"0s" placeholder:"TIME" help:"How long the hub continues to serve after it was asked to stop, while /readyz answers 503 so that load balancers send clients elsewhere; ${default} by default, at most 1h. In Kubernetes 5s."`
}

const longestDrainDelay = time.Hour

func (f *drainFlags) checkDrain() error {
	if f.DrainDelay < 0 || f.DrainDelay > longestDrainDelay {
		return fmt.Errorf("--drain-delay is %v; it must be 0 to %v", f.DrainDelay, longestDrainDelay)
	}
	return nil
}

// errStillServing is returned by lameDuck if a listener failed meanwhile.
var errStillServing = errors.New("a listener failed while the hub was about to stop")

// lameDuck hands over what other hubs need from this one, and serves for the time of --drain-delay. Meanwhile /readyz answers 503.
//
// It hands over before any stream ends and any connection closes, so that publishers at this hub still get their answers.
func (s *hubServer) lameDuck(ctx context.Context, failed <-chan error) error {
	delay := s.drainDelay
	if s.next != nil {
		delay = 0 // clients find the new process at the same address
	}
	if delay == 0 && s.handOver == nil {
		return nil
	}
	over := time.NewTimer(delay)
	defer over.Stop()
	s.hub.EnterLameDuck()
	if delay > 0 {
		s.logger.Info("stopping soon; until then everything is served, and /readyz answers 503", "in", delay)
	}
	if s.handOver != nil {
		s.handOver(context.WithoutCancel(ctx))
	}
	select {
	case <-over.C:
		return nil
	case err := <-failed:
		return errors.Join(errStillServing, err)
	}
}
