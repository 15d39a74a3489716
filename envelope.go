package tidings

import (
	"fmt"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// parseEnvelope returns the event in an envelope. Data that is not an envelope ends the subscription: the server is not a hub, and an
// event that is left out would be lost in silence.
func parseEnvelope(raw sse.Event) (Event, error) {
	e, err := wire.ParseEnvelope(raw.Data)
	if err == nil && e.ID != raw.ID {
		err = fmt.Errorf("its id is %.100q", e.ID)
	}
	if err != nil {
		return Event{}, fmt.Errorf("%w: the event %q has no valid envelope: %w", ErrNoHub, raw.ID, err)
	}
	data, binary, err := e.Content()
	if err != nil {
		return Event{}, fmt.Errorf("%w: the event %q: %w", ErrNoHub, raw.ID, err)
	}
	return Event{ID: e.ID, Topic: e.Topic, Topics: e.Topics, Type: e.Type, Time: e.Time, Data: []byte(data), Binary: binary}, nil
}
