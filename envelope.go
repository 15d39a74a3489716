package tidings

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// envelope is an event as a hub sends it with format=envelope: a plain stream could not say which topics it has, nor tell
// bytes from text. Members that are unknown here are of a hub to come.
type envelope struct {
	ID       string    `json:"id"`
	Topic    string    `json:"topic"`
	Topics   []string  `json:"topics"`
	Type     string    `json:"type"`
	Time     time.Time `json:"time"`
	Data     string    `json:"data"`
	Encoding string    `json:"encoding"`
}

// parseEnvelope returns the event of an envelope. What is none ends the subscription: the server is not a hub, and to leave
// an event out would be a loss that nobody hears of.
func parseEnvelope(raw sse.Event) (Event, error) {
	var in envelope
	if err := json.Unmarshal([]byte(raw.Data), &in); err != nil {
		return Event{}, fmt.Errorf("%w: the event %q is no envelope: %w", errAnswer, raw.ID, err)
	}
	if in.Topic == "" && len(in.Topics) > 0 {
		in.Topic = in.Topics[0]
	}
	if in.Topic == "" || in.ID == "" || in.ID != raw.ID {
		return Event{}, fmt.Errorf("%w: the event %q has an envelope of topic %.100q and id %.100q", errAnswer, raw.ID, in.Topic, in.ID)
	}
	if len(in.Topics) == 0 {
		in.Topics = []string{in.Topic}
	}
	if in.Type == "" {
		in.Type = sse.DefaultType
	}
	e := Event{ID: in.ID, Topic: in.Topic, Topics: in.Topics, Type: in.Type, Time: in.Time, Data: []byte(in.Data)}
	switch in.Encoding {
	case "", utf8Encoding:
	case base64Encoding:
		data, err := base64.StdEncoding.DecodeString(in.Data)
		if err != nil {
			return Event{}, fmt.Errorf("%w: the event %q is not the base64 that it says it is: %w", errAnswer, raw.ID, err)
		}
		e.Data, e.Binary = data, true
	default:
		return Event{}, fmt.Errorf("%w: the event %q has the unknown encoding %.40q", errAnswer, raw.ID, in.Encoding)
	}
	return e, nil
}
