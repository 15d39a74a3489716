package sse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// ErrTruncated marks the error of an incomplete stream. errors.Is(err, ErrTruncated) is true if
//   - the connection broke;
//   - the stream ended inside an event;
//   - the stream ended with text that is not an event, such as a JSON error or a field "error";
//   - [JSON] did not receive the final event of [JSONOptions.Done].
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

	// Line is the text after the last event if it cannot be fields of an event stream. It may be a JSON error or a
	// proxy's error page. It has at most 100 bytes; its lines are joined by a space and lose their indentation. It is
	// "" if there is no such text.
	Line string
}

func (e *TruncatedError) Error() string {
	var text string
	switch {
	case e.Err != nil:
		text = fmt.Sprintf("sse: the stream was cut off in or before the event at byte %d: %v", e.Offset, e.Err)
	case e.Line != "":
		return fmt.Sprintf("sse: the stream ended with text that is not an event: %q", e.Line)
	default:
		return fmt.Sprintf("sse: the stream ended inside the event that began at byte %d; the event was discarded", e.Offset)
	}
	if e.Line != "" {
		text += fmt.Sprintf("; after the last event came the text %q", e.Line)
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
// the reader. Such an error does not mean that the stream was cut off. net.ErrClosed and io.ErrClosedPipe are missing
// because the other end can cause them, too: net/http closes a connection on which an upload fails, and the writer of
// an io.Pipe passes on the error of its own source.
func stoppedHere(err error) bool {
	for _, own := range []error{
		context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded,
		http.ErrBodyReadAfterClose, fs.ErrClosed,
	} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// stray keeps the start of the text after the last event that cannot be meant as fields, such as an HTML page. The
// standard ignores such text; at the end of a stream it explains why the stream ended.
type stray struct {
	line []byte // up to maxStray bytes; lines are joined by a space
	word bool   // line is a single word; if a blank line follows, it is a field without a value
}

const maxStray = 100

// note records a line whose field the standard does not define, or the first maxStray bytes of one. It ignores
// "name: value", which the standard may define later, unless it continues a stray text, or the name says "error".
func (s *stray) note(line []byte) {
	if len(s.line) == maxStray && !s.word {
		return
	}
	start := line[:min(len(line), maxStray)]
	text := bytes.Trim(start, " \t") // lines of a JSON error may be indented
	if len(text) == 0 || bytes.HasPrefix(start, []byte("\uFEFF")) {
		return
	}
	if len(s.line) == 0 || s.word {
		name, _, colon := bytes.Cut(start, []byte(":"))
		field := isToken(string(name)) && !isErrorName(name)
		if field && (colon || s.word) {
			return
		}
		s.word = field
	}
	if len(s.line) > 0 && len(s.line) < maxStray {
		s.line = append(s.line, ' ')
	}
	s.line = append(s.line, text[:min(len(text), maxStray-len(s.line))]...)
}

// isErrorName reports whether a field reports an error, as "error: {…}" of llama.cpp and "TypeError: …" do.
func isErrorName(name []byte) bool {
	n := len(name) - len(errorField)
	return n >= 0 && strings.EqualFold(string(name[n:]), errorField)
}

// endBlock forgets the text when an event follows it.
func (s *stray) endBlock(event bool) {
	if event || s.word {
		s.line, s.word = s.line[:0], false
	}
}

func (s *stray) text() string { return strings.ToValidUTF8(string(s.line), "") }
