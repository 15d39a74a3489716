package sse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
)

// ErrTruncated marks the error of an incomplete stream. errors.Is(err, ErrTruncated) is true if the connection broke,
// or the stream ended inside an event or before the final event of [JSONOptions.Done].
var ErrTruncated = errors.New("stream ended too early")

// TruncatedError says how a stream was cut off. All events before Offset were delivered; the unfinished event behind it
// was discarded (WHATWG HTML 9.2.6).
type TruncatedError struct {
	// Offset is where the discarded event began, in bytes from the start of the stream.
	Offset int64

	// Err is the reader's error, such as [io.ErrUnexpectedEOF] or a reset of the connection or of the HTTP/2
	// stream. It is nil when the reader ended with [io.EOF].
	Err error

	// Event is the discarded event as far as it arrived, unfinished line included. It is empty if Err is set.
	Event Event

	// Line is the first line after the last event that is not a field of an event stream. Examples are a JSON error, and
	// the start of a proxy's error page. It is "" if there is none, and truncated to 100 bytes.
	Line string
}

func (e *TruncatedError) Error() string {
	var text string
	switch {
	case e.Err != nil:
		text = fmt.Sprintf("sse: the stream was cut off in or before the event at byte %d: %v", e.Offset, e.Err)
	case e.Line != "":
		return fmt.Sprintf("sse: the stream ended with a line that is not a field of an event stream: %q", e.Line)
	default:
		return fmt.Sprintf("sse: the stream ended inside the event that began at byte %d; the event was discarded", e.Offset)
	}
	if e.Line != "" {
		text += fmt.Sprintf("; after the last event came the line %q", e.Line)
	}
	return text
}

// Is makes errors.Is(err, ErrTruncated) true.
func (e *TruncatedError) Is(target error) bool { return target == ErrTruncated }

func (e *TruncatedError) Unwrap() error { return e.Err }

// endOfStream returns the error for a stream that has ended, nil if its end is clean.
func (d *Decoder) endOfStream() error {
	if !d.eof {
		if stoppedHere(d.readErr) {
			return fmt.Errorf("sse: reading the stream: %w", d.readErr)
		}
		return &TruncatedError{Offset: d.block, Err: d.readErr, Line: d.stray.text()}
	}
	insideField := d.skip == skipField || d.line < d.end && d.buf[d.line] != ':'
	if !d.begun && !insideField && len(d.stray.line) == 0 {
		return nil
	}
	e := &TruncatedError{Offset: d.block, Event: d.unfinished()}
	e.Line = d.stray.text() // after unfinished, which may set it
	return e
}

// unfinished returns the event that the end of the stream cut off, as far as it arrived.
func (d *Decoder) unfinished() Event {
	line := d.buf[d.line:d.end]
	if d.skip == skipNothing && len(line) > 0 && line[0] != ':' {
		retry, retried := d.retry, d.retried
		err := d.field(d.line, d.end)
		d.retry, d.retried = retry, retried // a field that was cut off does not count
		if err != nil {
			return Event{} // too large
		}
	}
	if !d.begun {
		return Event{}
	}
	e := Event{Type: string(d.Type()), Data: toValidUTF8(string(d.buf[d.data:d.dataEnd])), ID: string(d.id)}
	if d.hasNext {
		e.ID = string(d.nextID)
	}
	return e
}

// stoppedHere reports whether a read failed because this side stopped it, by its context, by a deadline, or by closing
// the reader. Such an error does not mean that the stream was cut off.
func stoppedHere(err error) bool {
	for _, own := range []error{
		context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded,
		http.ErrBodyReadAfterClose, net.ErrClosed, fs.ErrClosed, io.ErrClosedPipe,
	} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// stray keeps the start of a line that cannot be meant as a field, such as the first line of an HTML page. It keeps the
// first such line after the last event. The standard ignores such lines; at the end of a stream they explain why it
// ended.
type stray struct {
	line []byte
	word bool // line is a single word; if a blank line follows, it is a field without a value
}

const maxStray = 100 // bytes of a line

// note records a line, or the start of one, whose field the standard does not define. It ignores "name: value", which
// the standard may define later.
func (s *stray) note(line []byte) {
	if len(s.line) > 0 && !s.word || bytes.HasPrefix(line, []byte("\uFEFF")) {
		return
	}
	start := line[:min(len(line), maxStray)]
	name, _, colon := bytes.Cut(start, []byte(":"))
	field := isToken(string(name))
	if field && (colon || len(s.line) > 0) {
		return
	}
	s.line, s.word = append(s.line[:0], start...), field
}

// endBlock forgets the line when an event follows it.
func (s *stray) endBlock(event bool) {
	if event || s.word {
		s.line, s.word = s.line[:0], false
	}
}

func (s *stray) text() string { return strings.ToValidUTF8(string(s.line), "") }
