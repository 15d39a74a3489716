package hub

import (
	"errors"
	"io"
	"net/http"

	"github.com/tidings-sse/tidings/sse"
)

// stream reads a body that is an event stream. It drops the fields id and retry, which belong to another connection.
//
// If the body ends cleanly, its last event needs no blank line: programs that write to a pipe may end without one. If the body is cut
// off, its incomplete event is dropped.
type stream struct {
	max     int
	decoder *sse.Decoder
	over    bool // next has returned the event without a blank line
}

func newStream(body io.Reader, _ *meter, maxEvent int) source {
	// The decoder allows a little more than the limit, so that the hub refuses large events itself, with its own problem.
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

// unfinished returns the last event of a body that ended cleanly without a blank line. It returns false if a part of the body would be
// lost: a line that is not a field, or a type without data.
func (s *stream) unfinished() (sse.Event, bool) {
	cut, ok := errors.AsType[*sse.TruncatedError](s.decoder.Err())
	if !ok || cut.Err != nil || cut.Line != "" || cut.Event.Data == "" {
		return sse.Event{}, false
	}
	return cut.Event, true
}

// reason returns the error that ended the stream, io.EOF after a clean end.
func (s *stream) reason() error {
	err := s.decoder.Err()
	tooLarge, cut := &sse.TooLargeError{}, &sse.TruncatedError{}
	switch {
	case err == nil:
		return io.EOF
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "the event is larger than the limit of %d bytes", s.max)
	case errors.As(err, &cut) && cut.Err == nil && cut.Line != "":
		return problem(http.StatusBadRequest, problemInvalidEvent,
			"the body ends with %q, which is not a field of an event stream; fields are data, event, id and retry", cut.Line)
	case errors.As(err, &cut) && cut.Err == nil:
		return problem(http.StatusBadRequest, problemInvalidEvent, "the body ends inside an event without data")
	case errors.As(err, &cut):
		err = cut.Err
	}
	return brokenBody(err)
}
