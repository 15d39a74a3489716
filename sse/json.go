package sse

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// JSONOptions says which events of a stream are values, which are errors, and which event ends the stream. Nil means
// all defaults. The ranging goroutine calls the functions, for each event in the order of the fields.
type JSONOptions struct {
	// Error returns the error that an event reports, nil if it reports none. The sequence ends with that error. Nil
	// means that events of type "error" are errors; [ErrorMember] also finds errors inside the JSON.
	Error func(Event) error

	// Done reports whether an event ends the stream, such as OfType("response.completed", "response.failed") or
	// WithData("[DONE]"). This final event is yielded if its data decodes. A stream that ends before it is truncated. Nil
	// means that the stream may end after any event.
	Done func(Event) bool

	// Skip reports whether to skip an event, such as OfType("ping"). Nil skips nothing. It hides neither an error nor the
	// final event from JSON. Events without data and the control events of a hub are always skipped; Skip is called for
	// them, too.
	Skip func(Event) bool

	// Undecodable is called with an event whose data does not decode into a T. If it returns nil, the event is skipped;
	// else the sequence ends with its error. Nil means that the sequence ends with the [*JSONError].
	Undecodable func(*JSONError) error
}

// Message is an event whose data was JSON.
type Message[T any] struct {
	Event Event
	Value T
}

// EventError is an error that the server reported as an event.
type EventError struct {
	Event   Event
	Message string // the text of the error inside the event's JSON, "" if none was found
}

func (e *EventError) Error() string {
	text := cmp.Or(e.Message, e.Event.Data)
	if text == "" {
		return "sse: the server reported an error without a text"
	}
	return fmt.Sprintf("sse: the server reported an error: %.300s", text)
}

// JSONError says that an event's data is not the JSON that was expected.
type JSONError struct {
	Event Event
	Err   error // from encoding/json
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("sse: event of type %.40q: %v in data %.100q", e.Event.Type, e.Err, e.Event.Data)
}

func (e *JSONError) Unwrap() error { return e.Err }

// JSON decodes the data of each event into a T. It takes any sequence of events: [Read], [ReadResponse],
// [Client.Subscribe].
//
// With [JSONOptions.Done], a truncated answer never looks like a complete one: if events ends before the final event,
// JSON yields an error that matches [ErrTruncated]. The error also matches its cause, such as [context.Canceled]. Errors
// that say that there was no stream are yielded unchanged: [*ResponseError], [*RequestError], [*RedirectError] and
// [ErrUsed]. The last event counts without its blank line if the stream ended cleanly.
//
// Errors and the final event need no data field: "event: error" and a blank line are an event of type error. So is the
// field "error: {…}", which the standard ignores but some language models' servers send. JSON sees both only in a
// sequence of this package. If a function of yours stands in between, set [ReadOptions.Dataless]; an error field is then
// noticed only at the end of the stream.
//
// JSON skips:
//   - events without data;
//   - the control events of a Tidings hub, whose type begins with "tidings.". One of them, tidings.gap, reports lost
//     events: to notice it, check for it in Skip;
//   - heartbeats that do not decode: events of type ping, heartbeat, keepalive or keep-alive.
//
// Any other event whose data does not decode is an error, unless [JSONOptions.Undecodable] accepts it.
func JSON[T any](events iter.Seq2[Event, error], opts *JSONOptions) iter.Seq2[Message[T], error] {
	var o JSONOptions
	if opts != nil {
		o = *opts
	}
	if o.Error == nil {
		o.Error = errorType
	}
	return once(func(yield func(Message[T], error) bool) {
		for e, err := range relaxed(events) {
			m := Message[T]{Event: e}
			if err != nil {
				m.Event = Event{}
				if t, ok := errors.AsType[*TruncatedError](err); ok && t.Err == nil {
					m.Event = t.Event
				}
				has, err := o.finish(m.Event, &m.Value, err)
				if has || err != nil {
					yield(m, err)
				}
				return
			}
			has, last, err := o.take(e, &m.Value)
			if err != nil {
				yield(Message[T]{Event: e}, err)
				return
			}
			if has && !yield(m, nil) || last {
				return
			}
		}
		if o.Done != nil {
			yield(Message[T]{}, fmt.Errorf("sse: %w: the final event did not arrive", ErrTruncated))
		}
	})
}

// take decodes e into value. It reports whether e has a value and whether it is the last event.
func (o *JSONOptions) take(e Event, value any) (has, last bool, err error) {
	if err := o.Error(e); err != nil {
		return false, false, err
	}
	last = o.Done != nil && o.Done(e)
	skip := o.Skip != nil && o.Skip(e)
	data := strings.TrimSpace(e.Data)
	if skip || data == "" || isControl(e) {
		return false, last, nil
	}
	if err = json.Unmarshal([]byte(e.Data), value); err == nil {
		return !last || data != "null", last, nil
	}
	if last && data[0] != '{' || isHeartbeat(e) {
		return false, last, nil // a marker such as [DONE]
	}
	failure := &JSONError{Event: e, Err: err}
	if o.Undecodable != nil {
		return false, last, o.Undecodable(failure)
	}
	return false, last, failure
}

// finish handles a sequence that ended with err. e is the unfinished event as far as it arrived. finish returns nil if
// e is the final event, which makes the sequence complete, and reports whether e has a value.
func (o *JSONOptions) finish(e Event, value any, err error) (has bool, _ error) {
	if e != (Event{}) {
		if reported := o.Error(e); reported != nil {
			return false, fmt.Errorf("%w (%w)", reported, err)
		}
	}
	if o.Done == nil {
		return false, err
	}
	if e != (Event{}) && o.Done(e) {
		strict := *o
		strict.Undecodable = nil // the data of a final event that does not decode may be cut off
		if has, _, failure := strict.take(e, value); failure == nil {
			return has, nil
		}
	}
	if errors.Is(err, ErrTruncated) || neverBegan(err) {
		return false, err
	}
	return false, &unfinishedError{err}
}

// neverBegan reports whether err says that there was no stream that could be truncated.
func neverBegan(err error) bool {
	_, refused := errors.AsType[*ResponseError](err)
	_, notSent := errors.AsType[*RequestError](err)
	_, redirected := errors.AsType[*RedirectError](err)
	return refused || notSent || redirected || errors.Is(err, ErrUsed)
}

// unfinishedError says that a sequence ended with err before its final event.
type unfinishedError struct{ err error }

func (e *unfinishedError) Error() string {
	return fmt.Sprintf("sse: %v: %s", ErrTruncated, strings.TrimPrefix(e.err.Error(), "sse: "))
}

// Is makes errors.Is(err, ErrTruncated) true.
func (e *unfinishedError) Is(target error) bool { return target == ErrTruncated }

func (e *unfinishedError) Unwrap() error { return e.err }

// isControl reports whether e is a control event of a Tidings hub. A hub refuses to publish events with such types.
func isControl(e Event) bool { return strings.HasPrefix(e.Type, "tidings.") }

func isHeartbeat(e Event) bool {
	switch e.Type {
	case "ping", "heartbeat", "keepalive", "keep-alive":
		return true
	}
	return false
}
