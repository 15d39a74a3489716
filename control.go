package tidings

import (
	"encoding/json"
	"fmt"

	"github.com/tidings-sse/tidings/sse"
)

// The types of control events, which are about the stream and come between the others.
const (
	controlPrefix  = "tidings."
	checkpointType = controlPrefix + "checkpoint" // the position has advanced though no event was for us
	gapType        = controlPrefix + "gap"        // data: a Gap
	endType        = controlPrefix + "end"        // data: an End
	expiringType   = controlPrefix + "expiring"   // the token ends soon
	retryType      = controlPrefix + "retry"      // data: a problem document; the hub asks to come back later
)

// control deals with a control event. One that it does not know is of a hub to come, and none that a client must
// understand. The error ends the subscription.
func (s *Subscription) control(raw sse.Event) error {
	o := &s.options
	switch raw.Type {
	case checkpointType:
		if o.OnCheckpoint != nil {
			o.OnCheckpoint(raw.ID)
		}
	case gapType:
		var gap Gap
		if err := parseControl(raw, &gap); err != nil {
			return err
		}
		if o.OnGap == nil {
			return &GapError{Gap: gap}
		}
		return o.OnGap(gap)
	case endType:
		return s.end(raw)
	case expiringType:
		if o.OnExpiring != nil {
			o.OnExpiring()
		}
	case retryType:
		problem := new(Problem)
		if err := parseControl(raw, problem); err != nil {
			return err
		}
		s.away = problem
	}
	return nil
}

func (s *Subscription) end(raw sse.Event) error {
	end := End{ID: raw.ID}
	if err := parseControl(raw, &end); err != nil {
		return err
	}
	if len(end.Topics) == 0 {
		end.Topics = []string{end.Topic}
	}
	for _, t := range end.Topics {
		delete(s.unended, t)
	}
	if s.options.OnEnd != nil {
		s.options.OnEnd(end)
	}
	return nil
}

func parseControl(raw sse.Event, into any) error {
	if err := json.Unmarshal([]byte(raw.Data), into); err != nil {
		return fmt.Errorf("%w: its %s is not JSON as it should be: %w", errAnswer, raw.Type, err)
	}
	return nil
}
