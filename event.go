package tidings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/internal/wire"
)

// Event is an event that is published or received.
type Event struct {
	// ID is the event's position in the hub's log, such as k3f9a-10482: see [SubscribeOptions.After]. Only received events
	// have it.
	ID string

	// Topic is the canonical topic; Topics has all topics, Topic first. To publish, set either or both: the event is published
	// to Topic and to the others of Topics. A topic has 1 to 1,024 bytes.
	Topic  string
	Topics []string

	// Type names the kind of event; browsers dispatch it under this name. "" means "message"; received events always have a
	// type. Types that begin with "tidings." belong to the hub.
	Type string

	// Time is when the hub stored the event. Only received events have it.
	Time time.Time

	// Data is the payload. Unless Binary is set it must be UTF-8, and CR and CRLF become LF in the hub.
	Data []byte

	// Binary says that Data is bytes, which the hub keeps unchanged. In a received event Data is decoded in either case.
	Binary bool

	// Key is the idempotency key. Of events with the same key, canonical topic and publisher the hub stores the first. It
	// answers repetitions as duplicates, and refuses other content with [ErrKeyReused]. By default the hub remembers a key for
	// a day. A key is 1 to 255 visible ASCII characters; "" means a random key, which covers the retries of one call. Received
	// events have none.
	Key string

	// End ends the event's topics: nothing more can be published to them, and subscriptions to nothing else end. An event with
	// End and neither Data nor Type is only the end. Subscriptions report ends by [SubscribeOptions.OnEnd]; received events do
	// not have End.
	End bool
}

// topics returns all topics, the canonical one first.
func (e *Event) topics() []string {
	switch {
	case e.Topic == "":
		return e.Topics
	case len(e.Topics) == 0:
		return []string{e.Topic}
	case e.Topics[0] == e.Topic:
		return e.Topics
	}
	others := slices.DeleteFunc(slices.Clone(e.Topics), func(t string) bool { return t == e.Topic })
	return slices.Insert(others, 0, e.Topic)
}

// check refuses values that the encoding would silently change, because the hub could not refuse them. The hub checks the
// rest.
func (e *Event) check() error {
	topics := e.topics()
	switch {
	case len(topics) == 0:
		return errors.New("the event has no topic")
	case !e.Binary && !utf8.Valid(e.Data):
		return errors.New("the data is not UTF-8: set Binary to publish bytes")
	case !utf8.ValidString(e.Type):
		return fmt.Errorf("the type %q is not UTF-8", e.Type)
	case e.Key != "":
		if err := checkKey(e.Key); err != nil {
			return err
		}
	}
	for _, t := range topics {
		if !utf8.ValidString(t) {
			return fmt.Errorf("the topic %q is not UTF-8", t)
		}
	}
	return nil
}

func checkKey(key string) error {
	if len(key) > wire.MaxKey {
		return fmt.Errorf("the key %.20q… has %d characters; the longest key has %d", key, len(key), wire.MaxKey)
	}
	if !visible(key) {
		return fmt.Errorf("the key %q has other characters than visible ASCII", key)
	}
	return nil
}

// visible reports whether text has only visible ASCII characters, which every header field can carry.
func visible(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < '!' || c > '~' })
}
