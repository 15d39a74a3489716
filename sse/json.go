package sse

import (
	"encoding/json"
	"fmt"
	"iter"
)

// JSONOptions say where a stream of JSON ends and how it tells of errors. Nil means that every event is a
// value, that the stream ends where it ends, and that events of type "error" are errors.
type JSONOptions struct {
	// Done is the data of the event that ends the stream, such as "[DONE]". It is not yielded.
	Done string

	// DoneType is the type of the event that ends the stream, such as "message_stop". It is yielded, unless it has no
	// data.
	DoneType string

	// Error tells an event that reports an error from a value: the sequence ends with the error it
	// returns, if any. Nil means that events of type "error" end it with an [*EventError].
	Error func(Event) error
}

// Message is an event whose data was JSON.
type Message[T any] struct {
	Event Event
	Value T
}

// EventError is an error that the server reported as an event.
type EventError struct{ Event Event }

func (e *EventError) Error() string {
	return fmt.Sprintf("sse: the server reported an error: %.300s", e.Event.Data)
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

// JSON decodes the data of each event into a T. It goes over any sequence of events: [Read],
// [ReadResponse], [Client.Subscribe].
//
// When options name the event that ends the stream, a sequence that ends before it yields an error
// for which errors.Is(err, ErrTruncated) holds, so that an answer which was cut off never looks like a whole one.
// An event that is not JSON ends the sequence with a [*JSONError].
func JSON[T any](events iter.Seq2[Event, error], opts *JSONOptions) iter.Seq2[Message[T], error] {
	var o JSONOptions
	if opts != nil {
		o = *opts
	}
	if o.Error == nil {
		o.Error = errorByType
	}
	return once(func(yield func(Message[T], error) bool) {
		for e, err := range events {
			if err != nil {
				yield(Message[T]{}, err)
				return
			}
			if o.Done != "" && e.Data == o.Done || o.DoneType != "" && e.Type == o.DoneType && e.Data == "" {
				return
			}
			m := Message[T]{Event: e}
			if err := o.decode(e, &m.Value); err != nil {
				yield(Message[T]{Event: e}, err)
				return
			}
			if !yield(m, nil) || o.DoneType != "" && e.Type == o.DoneType {
				return
			}
		}
		if o.Done != "" || o.DoneType != "" {
			yield(Message[T]{}, fmt.Errorf("sse: %w: there was no %s", ErrTruncated, o.awaited()))
		}
	})
}

func (o *JSONOptions) decode(e Event, value any) error {
	if err := o.Error(e); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(e.Data), value); err != nil {
		return &JSONError{Event: e, Err: err}
	}
	return nil
}

func (o *JSONOptions) awaited() string {
	if o.Done != "" {
		return fmt.Sprintf("event with data %q", o.Done)
	}
	return fmt.Sprintf("event of type %q", o.DoneType)
}

func errorByType(e Event) error {
	if e.Type == "error" {
		return &EventError{Event: e}
	}
	return nil
}
