package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Event is an event to publish.
type Event struct {
	Topics []string // the first is the canonical topic
	Type   string   // empty: message
	Data   string   // text, whose line ends become LF; any bytes if Binary
	Binary bool     // Data is bytes, which subscribers get as base64

	ContentType string // media type of binary data
	Key         string // idempotency key: an event that is published again with its key is stored once
	End         bool   // the event is the last of its topics

	Flags eventlog.Flags // further properties of the record, for the filters of a dialect
}

// Publish stores events, all or none, as if they had been posted, and returns their positions. It does not call
// [Options.Authorize]. Errors are those of [eventlog.Log].Append, and a [*Problem] for events that subscribers could not get.
func (h *Hub) Publish(ctx context.Context, events ...Event) ([]eventlog.Receipt, error) {
	if !h.opened.Load() {
		return nil, h.unopened()
	}
	records := make([]eventlog.Record, len(events))
	for i := range events {
		var err error
		if records[i], err = h.record(&events[i], ""); err != nil {
			return nil, err
		}
	}
	return h.log.Append(ctx, records)
}

// record checks an event and returns its record for the log. The idempotency key is scoped to subject.
func (h *Hub) record(e *Event, subject string) (r eventlog.Record, err error) {
	switch n := len(e.Topics); {
	case n == 0:
		return r, NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "the event has no topic")
	case n > eventlog.MaxTopics:
		return r, NewProblem(http.StatusBadRequest, wire.ProblemTooManyTopics, "an event has at most %d topics; this one has %d", eventlog.MaxTopics, n)
	}
	for _, topic := range e.Topics {
		if err := checkTopic(topic); err != nil {
			return r, err
		}
	}
	if err := checkType(e.Type); err != nil {
		return r, err
	}
	if err := checkKey(e.Key); err != nil {
		return r, err
	}
	if len(e.Data) > h.opts.MaxEvent {
		return r, h.tooLarge(int64(h.opts.MaxEvent))
	}
	r = eventlog.Record{Topics: e.Topics, Type: e.Type, Data: e.Data, Key: scoped(subject, e.Key), Flags: e.Flags}
	if r.Type == "message" {
		r.Type = "" // the default type
	}
	if e.End {
		r.Flags |= eventlog.End
	}
	if e.Binary {
		r.Flags |= eventlog.Binary
		r.ContentType = e.ContentType
		return r, r.Check()
	}
	if i := invalidUTF8(e.Data); i >= 0 {
		return r, NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent,
			"the text is not UTF-8 at byte %d; send bytes with a Content-Type such as application/octet-stream, or as encoding=base64", i)
	}
	r.Data = lineFeeds(e.Data)
	return r, r.Check()
}

// checkTopic returns an error if a topic name is invalid or reserved.
func checkTopic(topic string) error {
	if err := eventlog.CheckName(topic); err != nil {
		p := NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "%s", plainly(err))
		p.Err = err
		return p
	}
	if eventlog.Reserved(topic) {
		return NewProblem(http.StatusForbidden, wire.ProblemForbidden, "topic %q is reserved for the hub, like all that begin with $; use another name", topic)
	}
	return nil
}

// checkType returns an error if an event type is invalid or reserved.
func checkType(typ string) error {
	switch {
	case typ == "":
		return nil
	case strings.HasPrefix(typ, wire.ControlPrefix):
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent, "types that begin with %s are reserved for the hub; use another type than %.60q", wire.ControlPrefix, typ)
	case !utf8.ValidString(typ) || strings.ContainsFunc(typ, unicode.IsControl):
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent, "the type %.60q has a control character or is not UTF-8", typ)
	case len(typ) > 1<<10:
		return NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "the type has %d bytes; the limit is 1024", len(typ))
	}
	return nil
}

// checkKey checks an idempotency key. The key of an event in a streamed body is the key of the body, a slash and the event's number.
func checkKey(key string) error {
	if len(key) > wire.MaxKey+len("/18446744073709551615") || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "an idempotency key is 1 to %d visible ASCII characters", wire.MaxKey)
	}
	return nil
}

// scoped returns an idempotency key that no other subject can have.
func scoped(subject, key string) string {
	switch {
	case key == "" || subject == "":
		return key
	case len(subject) > 256:
		sum := sha256.Sum256([]byte(subject))
		subject = hex.EncodeToString(sum[:])
	}
	return subject + "\x00" + key
}

// invalidUTF8 returns where a text is not UTF-8, -1 if it is.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, c := range text {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// lineFeeds converts line ends to LF, as event streams have them.
func lineFeeds(text string) string {
	if strings.IndexByte(text, '\r') < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}
