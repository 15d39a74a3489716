package sse

import (
	"strings"
	"time"
)

// DefaultType is the type of an event that names none (WHATWG HTML 9.2.6, "dispatch the event").
const DefaultType = "message"

// Event is one event of a stream: what EventSource hands to a page as a MessageEvent.
//
// An Event is always dispatched at the other end, also one that has nothing but a Retry. To send a line that is not
// an event use [AppendComment] or [AppendRetry].
type Event struct {
	// Type names the kind of event. A received event always has one: [DefaultType] when the stream named
	// none. In a sent event "" and [DefaultType] are the same and put no field on the wire.
	Type string

	// Data is the payload. It is sent as one data field per line, where LF, CR and CRLF all end a line,
	// and arrives with LF between the lines. The empty string is sent as an empty data field.
	Data string

	// ID, when received, is the last event ID as of this event, which an earlier event may have set.
	// When sent, "" leaves the reader's last event ID as it is.
	ID string

	// Retry, sent only, tells the reader how long to wait before it reconnects. It goes out in whole
	// milliseconds, rounded up. 0 sends nothing; negative is refused.
	Retry time.Duration

	// ResetID, sent only, puts an empty id field on the wire when ID is "", which makes the reader
	// forget its last event ID. Relays need it, few others do.
	ResetID bool
}

// Normal returns e as a fresh decoder gives it after reading what [Event.AppendTo] wrote: the type filled
// in, line ends as LF, each maximal subpart of invalid UTF-8 as one U+FFFD, and nothing that is sent only.
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
