package hub

import (
	"errors"
	"io"
	"net/http"

	"github.com/tidings-sse/tidings/sse"
)

// stream is a body that is an event stream itself. Its IDs and retry fields are dropped: they belong to another connection.
type stream struct {
	max     int
	decoder *sse.Decoder
}

func newStream(body io.Reader, maxEvent int) source {
	// What is too large is the hub's to say, with its own words: a little more is let through.
	return &stream{maxEvent, sse.NewDecoder(body, &sse.ReadOptions{MaxEvent: maxEvent + 4<<10})}
}

func (s *stream) next(pub *publication) (Event, error) {
	if !s.decoder.Next() {
		return Event{}, s.reason()
	}
	e := s.decoder.Event()
	typ := e.Type
	if typ == sse.DefaultType {
		typ = pub.typ
	}
	return Event{Topics: pub.topics, Type: typ, Data: e.Data}, nil
}

// reason is why there is no next event.
func (s *stream) reason() error {
	err := s.decoder.Err()
	tooLarge := &sse.TooLargeError{}
	switch {
	case err == nil:
		return io.EOF
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "an event has at most %d bytes here", s.max)
	case errors.Is(err, sse.ErrTruncated):
		p := problem(http.StatusBadRequest, problemInvalidEvent, "the body ends inside an event: each ends with an empty line")
		p.Err = err
		return p
	}
	return brokenBody(err)
}
