package sse

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// FieldError says which field of an [Event] cannot be sent, and why. Nothing of the event was written.
type FieldError struct {
	Field  string // "event", "id" or "retry", as on the wire
	Value  string // the refused value
	Offset int    // index in Value of the first byte that cannot be sent
	Reason string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("sse: %s field %.64q: byte %d: %s", e.Field, e.Value, e.Offset, e.Reason)
}

// AppendTo appends the encoding of e, including the blank line at its end, to b. It allocates only to grow b.
//
// The encoding always has a data field, because some clients dispatch an empty message at a blank line without data.
// The id field comes last. Some clients store the ID when they read its line: if the connection then breaks before the
// blank line, they resume after an event that they never dispatched. With the id last, only a break directly before the
// blank line has this effect.
//
// AppendTo returns b unchanged and a [*FieldError] if
//   - Type contains CR, LF or NUL;
//   - ID contains a control character other than an inner tab, or begins or ends with a space or tab, because a
//     Last-Event-ID header could not carry it back;
//   - Retry is negative.
//
// Data may be any text. Invalid UTF-8 is sent unchanged; readers decode it as U+FFFD.
func (e Event) AppendTo(b []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return b, err
	}
	if e.Type != "" && e.Type != DefaultType {
		b = append(b, "event: "...)
		b = append(b, e.Type...)
		b = append(b, '\n')
	}
	if e.Retry > 0 {
		b = AppendRetry(b, e.Retry)
	}
	b = appendLines(b, "data:", e.Data)
	if e.ID != "" {
		b = append(b, "id: "...)
		b = append(b, e.ID...)
		b = append(b, '\n')
	} else if e.ResetID {
		b = append(b, "id\n"...)
	}
	return append(b, '\n'), nil
}

// AppendComment appends text to b as comment lines, one per line of text. Readers ignore comments; their bytes keep
// idle connections open. AppendComment adds no blank line, because some clients dispatch an empty message at one. Put
// comments between events, not inside one.
func AppendComment(b []byte, text string) []byte {
	return appendLines(b, ":", text)
}

// AppendRetry appends a retry field to b as one line. It rounds d up to whole milliseconds; a negative d counts as 0.
// No blank line follows: the line becomes part of the next event. Readers apply it when they read the line, even if no
// event follows.
func AppendRetry(b []byte, d time.Duration) []byte {
	d = max(d, 0)
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	b = append(b, "retry: "...)
	b = strconv.AppendInt(b, ms, 10)
	return append(b, '\n')
}

// appendLines appends each line of text after name. It searches for each kind of line end only behind the last one
// found. So its time is linear in len(text) for any mixture of line ends.
func appendLines(b []byte, name, text string) []byte {
	lf, cr := indexOr(text, '\n', 0), indexOr(text, '\r', 0)
	for start := 0; ; {
		end := min(lf, cr)
		b = append(b, name...)
		if end > start {
			b = append(b, ' ')
			b = append(b, text[start:end]...)
		}
		b = append(b, '\n')
		if end == len(text) {
			return b
		}
		start = end + 1
		if end == cr && lf == start && lf < len(text) { // CRLF is one line end
			start++
		}
		if lf < start {
			lf = indexOr(text, '\n', start)
		}
		if cr < start {
			cr = indexOr(text, '\r', start)
		}
	}
}

// indexOr returns the index of c in s at or after from, or len(s).
func indexOr(s string, c byte, from int) int {
	if i := strings.IndexByte(s[from:], c); i >= 0 {
		return from + i
	}
	return len(s)
}

func (e *Event) check() error {
	for i := range len(e.Type) {
		if c := e.Type[i]; c == '\n' || c == '\r' || c == 0 {
			return &FieldError{"event", e.Type, i, "an event type cannot contain CR, LF or NUL"}
		}
	}
	for i := range len(e.ID) {
		switch c := e.ID[i]; {
		case c == '\t' || c == ' ':
			if i == 0 || i == len(e.ID)-1 {
				return &FieldError{"id", e.ID, i, "an id cannot begin or end with a space or tab, because the Last-Event-ID header drops it"}
			}
		case c < 0x20 || c == 0x7F:
			return &FieldError{"id", e.ID, i, "an id cannot contain a control character, because the Last-Event-ID header cannot carry it"}
		}
	}
	if e.Retry < 0 {
		return &FieldError{"retry", e.Retry.String(), 0, "a reconnection time cannot be negative"}
	}
	return nil
}

// Frame is an encoded event. It is immutable, so that many streams can share one encoding. The zero Frame is empty.
// Frames are safe for concurrent use.
type Frame struct{ bytes []byte }

// Frame encodes e for any number of receivers. It returns the errors of [Event.AppendTo].
func (e Event) Frame() (Frame, error) {
	b, err := e.AppendTo(make([]byte, 0, len("event: \nid: \ndata: \n\n")+len(e.Type)+len(e.ID)+len(e.Data)))
	if err != nil {
		return Frame{}, err
	}
	return Frame{b}, nil
}

// Len returns the frame's size in bytes.
func (f Frame) Len() int { return len(f.bytes) }

// String returns the frame's bytes as a string.
func (f Frame) String() string { return string(f.bytes) }

// AppendTo appends the frame's bytes to b.
func (f Frame) AppendTo(b []byte) []byte { return append(b, f.bytes...) }

// WriteTo writes the frame to w in one Write. It is an [io.WriterTo].
func (f Frame) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.bytes)
	return int64(n), err
}

var _ io.WriterTo = Frame{}
