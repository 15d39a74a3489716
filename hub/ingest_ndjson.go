package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tidings-sse/tidings/internal/wire"
)

// lines is a body of NDJSON: an event each line, as an envelope is. Empty lines are skipped.
type lines struct {
	body *fillable
	in   *bufio.Reader
	max  int
	line []byte // one that does not fit into the buffer of in
}

const (
	// lineBuffer is how much of a body is read at once, of one that comes fast. It makes a batch.
	lineBuffer = 64 << 10

	// firstBuffer is for bodies that come line by line, of which there may be many.
	firstBuffer = 4 << 10
)

func newLines(body io.Reader, maxEvent int) source {
	in := &fillable{in: body}
	return &lines{body: in, in: bufio.NewReaderSize(in, firstBuffer), max: maxEvent}
}

// fillable is a reader that notes when there was more to read than there was room.
type fillable struct {
	in     io.Reader
	filled bool
}

func (r *fillable) Read(p []byte) (n int, err error) {
	n, err = r.in.Read(p)
	r.filled = r.filled || n == len(p)
	return n, err
}

// widen gives a body that comes fast a larger buffer.
func (l *lines) widen() {
	ahead, _ := l.in.Peek(l.in.Buffered())
	l.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), l.body), lineBuffer)
}

func (l *lines) next(pub *publication) (Event, error) {
	for {
		line, err := l.read()
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return Event{}, err
			}
			return parseLine(line, pub)
		}
		if err != nil {
			return Event{}, err
		}
	}
}

// read returns the next line, which is valid until the next call.
func (l *lines) read() ([]byte, error) {
	if l.body.filled && l.in.Size() < lineBuffer {
		l.widen()
	}
	if cap(l.line) > lineBuffer {
		l.line = nil // one long line is no reason to keep as much for all
	}
	line, err := l.in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, bodyError(err)
	}
	for l.line = l.line[:0]; ; line, err = l.in.ReadSlice('\n') {
		l.line = append(l.line, line...)
		// Escapes make a line longer than its event, up to six times; a topic or two come with it.
		if limit := 6*l.max + lineBuffer; len(l.line) > limit {
			return nil, problem(http.StatusRequestEntityTooLarge, problemTooLarge, "a line has at most %d bytes here", limit)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.line, bodyError(err)
		}
	}
}

// bodyError is why a body cannot be read on.
func bodyError(err error) error {
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return brokenBody(err)
}

// parseLine returns the event of a line. A line without topics has those of the request, and one without a type has the request's.
func parseLine(text []byte, pub *publication) (e Event, err error) {
	l, err := wire.ParseLine(text)
	if err != nil {
		return e, invalidLine("%w", err)
	}
	if len(l.Key) > wire.MaxKey {
		return e, invalidLine("its key has %d bytes; the longest key has %d", len(l.Key), wire.MaxKey)
	}
	e = Event{Topics: l.Names(), Type: cmp.Or(l.Type, pub.typ), Key: l.Key, End: l.End}
	if e.Topics == nil {
		e.Topics = pub.topics
	}
	if err := pub.allowed(e.Topics); err != nil {
		return e, err
	}
	if e.Data, e.Binary, err = l.Content(); err != nil {
		return e, invalidLine("%w", err)
	}
	return e, nil
}

func invalidLine(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, problemInvalidEvent,
		"the line is not an event such as {\"topic\":\"news\",\"data\":\"hello\"}: %s", fmt.Errorf(format, args...))
}
