package hub

import (
	"errors"
	"io"
	"net/http"

	"github.com/tidings-sse/tidings/sse"
)

// stream is a body that is an event stream itself. Its IDs and retry fields are dropped: they belong to another connection.
//
// The last event counts also without its blank line if the body ended cleanly, as the last line of an NDJSON body does:
// a program that is piped in may end without one. A body that was cut off leaves out its unfinished event.
type stream struct {
	max     int
	decoder *sse.Decoder
	over    bool // the event that the end of the body cut off has been taken
}

func newStream(body io.Reader, _ *meter, maxEvent int) source {
	// What is too large is the hub's to say, with its own words: a little more is let through.
	return &stream{max: maxEvent, decoder: sse.NewDecoder(body, &sse.ReadOptions{MaxEvent: maxEvent + 4<<10})}
}

func (*stream) close() {}

func (s *stream) next(pub *publication) (Event, error) {
	var e sse.Event
	switch {
	case s.over:
		return Event{}, io.EOF
	case s.decoder.Next():
		e = s.decoder.Event()
	default:
		last, ok := s.unfinished()
		if !ok {
			return Event{}, s.reason()
		}
		e, s.over = last, true
	}
	typ := e.Type
	if typ == sse.DefaultType {
		typ = pub.typ
	}
	return Event{Topics: pub.topics, Type: typ, Data: e.Data}, nil
}

// unfinished returns the last event of a body that ended cleanly without its blank line. There is none if anything
// of the body's end would be lost: a line that is no field, or a type without data.
func (s *stream) unfinished() (sse.Event, bool) {
	cut, ok := errors.AsType[*sse.TruncatedError](s.decoder.Err())
	if !ok || cut.Err != nil || cut.Line != "" || cut.Event.Data == "" {
		return sse.Event{}, false
	}
	return cut.Event, true
}

// reason is why there is no next event.
func (s *stream) reason() error {
	err := s.decoder.Err()
	tooLarge, cut := &sse.TooLargeError{}, &sse.TruncatedError{}
	switch {
	case err == nil:
		return io.EOF
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "an event has at most %d bytes here", s.max)
	case errors.As(err, &cut) && cut.Err == nil && cut.Line != "":
		return problem(http.StatusBadRequest, problemInvalidEvent,
			"the body ends with %q, which is no field of an event stream; fields are data, event, id and retry", cut.Line)
	case errors.As(err, &cut) && cut.Err == nil:
		return problem(http.StatusBadRequest, problemInvalidEvent, "the body ends inside an event that has no data yet")
	case errors.As(err, &cut):
		err = cut.Err
	}
	return brokenBody(err)
}
