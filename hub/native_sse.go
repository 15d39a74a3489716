package hub

import (
	"errors"
	"iter"
	"net/http"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// blocks returns the parser of a body that is an event stream. It drops the fields id and retry, which belong to another connection.
//
// If the body ends cleanly, its last event needs no blank line: programs that write to a pipe may end without one. If the body is cut
// off, its incomplete event is dropped.
func (sent post) blocks(maxEvent int) func(*Body) iter.Seq2[Event, error] {
	return func(body *Body) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			// The decoder allows a little more than the limit, so that the hub refuses large events itself, with its own problem.
			decoder := sse.NewDecoder(body, &sse.ReadOptions{MaxEvent: maxEvent + 4<<10})
			n := 0
			for decoder.Next() {
				if !yield(sent.event(decoder.Event(), n), nil) {
					return
				}
				n++
			}
			if last, ok := unfinished(decoder.Err()); ok {
				yield(sent.event(last, n), nil)
			} else if err := blockError(decoder.Err(), maxEvent); err != nil {
				yield(Event{}, err)
			}
		}
	}
}

// event returns event n of a body.
func (sent *post) event(e sse.Event, n int) Event {
	if e.Type == sse.DefaultType {
		e.Type = sent.typ
	}
	return Event{Topics: sent.topics, Type: e.Type, Data: e.Data, Key: sent.keyOf(n)}
}

// unfinished returns the last event of a body that ended cleanly without a blank line. It returns false if a part of the body would be
// lost: a line that is not a field, or a type without data.
func unfinished(err error) (sse.Event, bool) {
	cut, ok := errors.AsType[*sse.TruncatedError](err)
	if !ok || cut.Err != nil || cut.Line != "" || cut.Event.Data == "" {
		return sse.Event{}, false
	}
	return cut.Event, true
}

// blockError returns the error that ended an event stream, nil after a clean end.
func blockError(err error, maxEvent int) error {
	tooLarge, cut := &sse.TooLargeError{}, &sse.TruncatedError{}
	switch {
	case errors.As(err, &tooLarge):
		return NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "the event is larger than the limit of %d bytes", maxEvent)
	case errors.As(err, &cut) && cut.Err == nil && cut.Line != "":
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent,
			"the body ends with %q, which is not a field of an event stream; fields are data, event, id and retry", cut.Line)
	case errors.As(err, &cut) && cut.Err == nil:
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent, "the body ends inside an event without data")
	}
	return err
}
