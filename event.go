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

// Event is what is published and what subscribers get.
type Event struct {
	// ID is the event's position in the hub's log, such as k3f9a-10482. A subscription that starts After it goes on with the
	// next event. It is received only.
	ID string

	// Topic is the canonical topic, Topics are all of them, Topic first. To publish it is enough to set one of the two: what
	// counts is Topic and then those of Topics that it is not. A topic has 1 to 1,024 bytes.
	Topic  string
	Topics []string

	// Type names the kind of event; browsers dispatch it under this name. Published, "" means "message"; received, it is
	// never empty. Names that begin with "tidings." are the hub's.
	Type string

	// Time is when the hub stored the event. It is received only.
	Time time.Time

	// Data is the payload. Unless Binary is set it must be UTF-8, and CR and CRLF become LF in the hub.
	Data []byte

	// Binary says that Data is bytes, to be kept as they are. Received, it says that they were published like that; Data is
	// the bytes either way.
	Binary bool

	// Key makes publishing harmless to repeat: of those with the same key and canonical topic, by the same publisher, the
	// hub stores the first and calls others with the same content duplicates; it refuses other content with
	// [ErrKeyReused]. It remembers keys for a day if not configured otherwise. A key is 1 to 255 visible ASCII characters; ""
	// means a random one, which lasts for the retries of one call. It is published only.
	Key string

	// End completes the event's topics: nothing can be published to them any more, their subscribers are told, and those
	// that follow nothing else end. With neither Data nor Type only the end is stored. It is published only; a
	// subscription tells of ends by [SubscribeOptions.OnEnd].
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

// check finds what would not reach the hub as it is, so that the hub could not refuse it. The rest is the hub's to judge.
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
		return fmt.Errorf("the key %.20q… has %d characters; a key has %d at the most", key, len(key), wire.MaxKey)
	}
	if !visible(key) {
		return fmt.Errorf("the key %q is not of visible ASCII characters only", key)
	}
	return nil
}

// visible reports whether text is of visible ASCII characters only, which any header field can carry.
func visible(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < '!' || c > '~' })
}
