package hub

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tidings-sse/tidings/internal/wire"
)

// lines reads a body of NDJSON: one event in each line, with the members of an envelope. Empty lines are skipped.
type lines struct{ in *pieces }

func newLines(body io.Reader, m *meter, maxEvent int) source {
	// JSON escapes make a line up to six times as long as its data. wideBuffer is for the other members.
	return &lines{newPieces(body, m, '\n', 6*maxEvent+wideBuffer)}
}

func (l *lines) close() { l.in.close() }

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
	line, err := l.in.next()
	if errors.Is(err, errLongPiece) {
		return nil, problem(http.StatusRequestEntityTooLarge, problemTooLarge, "the line is longer than the limit of %d bytes", l.in.most)
	}
	return line, bodyError(err)
}

// bodyError returns the error of reading a body: io.EOF as it is, others as a problem.
func bodyError(err error) error {
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return brokenBody(err)
}

// parseLine returns the event of a line. Topics and type of the request are the defaults.
func parseLine(text []byte, pub *publication) (e Event, err error) {
	l, err := wire.ParseLine(text)
	if err != nil {
		return e, invalidLine("%w", err)
	}
	if len(l.Key) > wire.MaxKey {
		return e, invalidLine("its key has %d bytes; the limit is %d", len(l.Key), wire.MaxKey)
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
