package sse

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// FieldError says which field of an [Event] cannot be sent, and why. Nothing was written.
type FieldError struct {
	Field  string // "event", "id" or "retry", as on the wire
	Value  string // the refused value
	Offset int    // of the first byte in Value that stands in the way
	Reason string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("sse: %s field %.64q: byte %d: %s", e.Field, e.Value, e.Offset, e.Reason)
}

// AppendTo appends e to b as it goes on the wire, and a blank line. It allocates only what b lacks.
//
// The block always has a data field, and its id field comes last. Some clients dispatch an empty message at a blank
// line without data. Some store the id when they read its line, and lose the event when the connection breaks before
// the blank line; with the id last only the break between the two can hurt them.
//
// It returns b as it was and a [*FieldError] when Type holds CR, LF or NUL; when ID holds a control character
// other than an inner tab, or begins or ends with a space or tab, because such an ID could not come back in a
// Last-Event-ID header; and when Retry is negative. Data may be any text. Invalid UTF-8 is sent
// as it is; the reader will see U+FFFD.
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

// AppendComment appends text as comment lines, one per line of text. No blank line follows, because some clients
// dispatch an empty message at one; the next event follows directly. Readers ignore comments; connections and proxies
// stay awake. A comment may stand between events, not inside one.
func AppendComment(b []byte, text string) []byte {
	return appendLines(b, ":", text)
}

// AppendRetry appends a retry field of d in whole milliseconds, rounded up, as one line. No blank line follows: the
// line joins the block of the next event. Readers obey it as soon as they have read the line, also when no event
// follows. A negative d counts as 0.
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

// appendLines appends each line of text behind name. It looks for each kind of line end once per line end
// found, so its time is linear in len(text) whatever mixture of line ends it holds.
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
			return &FieldError{"event", e.Type, i, "CR, LF and NUL cannot be part of an event type"}
		}
	}
	for i := range len(e.ID) {
		switch c := e.ID[i]; {
		case c == '\t' || c == ' ':
			if i == 0 || i == len(e.ID)-1 {
				return &FieldError{"id", e.ID, i, "space around an id is lost in the Last-Event-ID header"}
			}
		case c < 0x20 || c == 0x7F:
			return &FieldError{"id", e.ID, i, "a control character cannot travel back in the Last-Event-ID header"}
		}
	}
	if e.Retry < 0 {
		return &FieldError{"retry", e.Retry.String(), 0, "a reconnection time cannot be negative"}
	}
	return nil
}

// Frame is an event's bytes on the wire: encoded once, immutable, shared by all who send it. The zero Frame is
// empty. Frames are safe for concurrent use.
type Frame struct{ bytes []byte }

// Frame encodes e once for many receivers. It fails as [Event.AppendTo] does.
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
