package tidings

import (
	"encoding/json"
	"fmt"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// control handles a control event. It ignores types that it does not know: a later hub may send more, and a client need not understand
// them. An error ends the subscription.
func (s *Subscription) control(raw sse.Event) error {
	o := &s.options
	switch raw.Type {
	case wire.TypeCheckpoint:
		if o.OnCheckpoint != nil {
			o.OnCheckpoint(raw.ID)
		}
	case wire.TypeGap:
		gap, err := wire.ParseGap(raw.Data)
		if err != nil {
			return badControl(raw, err)
		}
		if o.OnGap == nil {
			return &GapError{Gap: Gap(gap)}
		}
		return o.OnGap(Gap(gap))
	case wire.TypeEnd:
		return s.end(raw)
	case wire.TypeExpiring:
		if o.OnExpiring != nil {
			o.OnExpiring()
		}
	case wire.TypePresence:
		if err := s.see(raw.Data); err != nil {
			return badControl(raw, err)
		}
	case wire.TypeRetry:
		problem := new(Problem)
		if err := json.Unmarshal([]byte(raw.Data), problem); err != nil {
			return badControl(raw, err)
		}
		s.away = problem
	}
	return nil
}

func (s *Subscription) end(raw sse.Event) error {
	end, err := wire.ParseEnd(raw.Data)
	if err != nil {
		return badControl(raw, err)
	}
	for _, t := range end.Topics {
		delete(s.unended, t)
	}
	if s.options.OnEnd != nil {
		s.options.OnEnd(End{ID: raw.ID, Topic: end.Topic, Topics: end.Topics})
	}
	return nil
}

// badControl is the error of a control event whose data cannot be read.
func badControl(raw sse.Event, err error) error {
	return fmt.Errorf("%w: the data of %s cannot be read: %w", ErrNoHub, raw.Type, err)
}
