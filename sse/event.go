package sse

import (
	"strings"
	"time"
)

// DefaultType is the type of an event that has no event field (WHATWG HTML 9.2.6, "dispatch the event").
const DefaultType = "message"

// Event is one event of a stream. EventSource passes it to a page as a MessageEvent.
//
// The receiver dispatches every Event, even one with only a Retry. To send a line that is no event, use [AppendComment]
// or [AppendRetry].
type Event struct {
	// Type is the event's type, the name that addEventListener takes. A received event without an event field has
	// [DefaultType]. In a sent event, "" and [DefaultType] are the same: no event field is sent.
	Type string

	// Data is the payload. Each of its lines is sent as one data field. LF, CR and CRLF end a line; the receiver gets LF
	// for all three. The empty string is sent as an empty data field.
	Data string

	// ID of a received event is the last event ID up to this event; an earlier event may have set it. In a sent event, ""
	// leaves the receiver's last event ID unchanged.
	ID string

	// Retry is the reconnection time to send, rounded up to whole milliseconds. 0 sends nothing; a negative value is an
	// error. In a received event it is 0.
	Retry time.Duration

	// ResetID sends an empty id field if ID is "", so that the receiver forgets its last event ID. Relays need it. In a
	// received event it is false.
	ResetID bool
}

// Normal returns the event that a new [Decoder] reads from the output of [Event.AppendTo]. It fills in the type, turns
// line ends into LF and each maximal subpart of invalid UTF-8 into U+FFFD, and clears Retry and ResetID.
func (e Event) Normal() Event {
	if e.Type == "" {
		e.Type = DefaultType
	}
	return Event{
		Type: toValidUTF8(e.Type),
		Data: toValidUTF8(normalLines.Replace(e.Data)),
		ID:   toValidUTF8(e.ID),
	}
}

var normalLines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
