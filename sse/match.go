package sse

import (
	"encoding/json"
	"slices"
	"strings"
)

// OfType returns a function for [JSONOptions] that reports whether an event has one of the given types. For an event
// without a type, it compares the member "type" of the event's JSON, because some relays drop the event field.
func OfType(types ...string) func(Event) bool {
	return func(e Event) bool { return slices.Contains(types, typeOf(e)) }
}

// WithData returns a function for [JSONOptions] that reports whether an event's data is one of the given texts. White
// space around them does not count.
func WithData(texts ...string) func(Event) bool {
	texts = slices.Clone(texts)
	for i := range texts {
		texts[i] = strings.TrimSpace(texts[i])
	}
	return func(e Event) bool { return slices.Contains(texts, strings.TrimSpace(e.Data)) }
}

// ErrorMember is a value for [JSONOptions.Error]. It returns an [*EventError] for an event of type "error", as defined
// by [OfType]. It also returns one if the data is a JSON object with a member "error", at any place in the object. A
// member that is null, false, 0 or "" is no error.
func ErrorMember(e Event) error {
	members := membersOf(e.Data)
	failure, reported := members["error"]
	switch string(failure) {
	case "null", "false", "0", `""`:
		reported = false
	}
	if !reported && typeIn(e, members) != "error" {
		return nil
	}
	return &EventError{Event: e, Message: messageOf(members)}
}

// errorType is the default of [JSONOptions.Error].
func errorType(e Event) error {
	if e.Type == "error" {
		return &EventError{Event: e, Message: messageOf(membersOf(e.Data))}
	}
	return nil
}

// messageOf returns the text of the error that an object reports: {"error":{"message":"m"}}, {"error":"m"} or
// {"message":"m"}.
func messageOf(members map[string]json.RawMessage) string {
	failure := members["error"]
	if text := textOf(failure); text != "" {
		return text
	}
	if text := textOf(membersOf(string(failure))["message"]); text != "" {
		return text
	}
	return textOf(members["message"])
}

func typeOf(e Event) string {
	if e.Type != "" && e.Type != DefaultType {
		return e.Type
	}
	return typeIn(e, membersOf(e.Data))
}

func typeIn(e Event, members map[string]json.RawMessage) string {
	if e.Type == "" || e.Type == DefaultType {
		if inside := textOf(members["type"]); inside != "" {
			return inside
		}
		return DefaultType
	}
	return e.Type
}

// membersOf returns the members of a JSON object, none if data is something else.
func membersOf(data string) map[string]json.RawMessage {
	if !strings.HasPrefix(strings.TrimSpace(data), "{") {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(data), &members) != nil {
		return nil
	}
	return members
}

// textOf returns the text of a JSON string, "" if raw is something else.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}
