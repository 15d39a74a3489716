package main

import (
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

// lameDuck serves for the time of --drain-delay, while /readyz answers 503.
func (s *hubServer) lameDuck(failed <-chan error) error {
	if s.drainDelay == 0 {
		return nil
	}
	s.hub.EnterLameDuck()
	s.logger.Info("stopping soon; until then everything is served, and /readyz answers 503", "in", s.drainDelay)
	select {
	case <-time.After(s.drainDelay):
		return nil
	case err := <-failed:
		return errors.Join(errStillServing, err)
	}
}
