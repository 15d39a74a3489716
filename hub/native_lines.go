package hub

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"strconv"

	"github.com/tidings-sse/tidings/internal/wire"
)

// lines returns the parser of a body of NDJSON: one event in each line, with the members of an envelope. Empty lines are skipped.
func (sent post) lines(maxEvent int) func(*Body) iter.Seq2[Event, error] {
	return func(body *Body) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			n := 0
			for line, err := range body.Lines(6*maxEvent + 64<<10) { // JSON escapes make a line up to six times as long as its data
				if err != nil {
					yield(Event{}, err)
					return
				}
				if line = bytes.TrimSpace(line); len(line) == 0 {
					continue
				}
				e, err := sent.parseLine(line)
				e.Key = cmp.Or(e.Key, sent.keyOf(n))
				if n++; !yield(e, err) {
					return
				}
			}
		}
	}
}

// keyOf returns the idempotency key of event n of a streamed body, so that a body that is sent again stores only the missing events.
func (sent *post) keyOf(n int) string {
	if sent.key == "" {
		return ""
	}
	return sent.key + "/" + strconv.Itoa(n)
}

// parseLine returns the event of a line. Topics and type of the request are the defaults.
func (sent *post) parseLine(text []byte) (e Event, err error) {
	l, err := wire.ParseLine(text)
	if err != nil {
		return e, invalidLine("%w", err)
	}
	if len(l.Key) > wire.MaxKey {
		return e, invalidLine("its key has %d bytes; the limit is %d", len(l.Key), wire.MaxKey)
	}
	e = Event{Topics: l.Names(), Type: cmp.Or(l.Type, sent.typ), Key: l.Key, End: l.End}
	if e.Topics == nil {
		e.Topics = sent.topics
	}
	if e.Data, e.Binary, err = l.Content(); err != nil {
		return e, invalidLine("%w", err)
	}
	return e, nil
}

func invalidLine(format string, args ...any) *Problem {
	return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent,
		"the line is not an event such as {\"topic\":\"news\",\"data\":\"hello\"}: %s", fmt.Errorf(format, args...))
}
