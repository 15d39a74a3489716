package tidings

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/internal/wire"
)

// longestLine is the length of the longest line, in bytes.
const longestLine = 32 << 20

// ReadEvents reads events from NDJSON, one per line, for [Client.PublishStream]. A line is an object with data, and optionally topic, topics,
// type, key, encoding ("base64" for bytes) and end. Data that is not a string is published as JSON text. ReadEvents also reads the NDJSON
// that a hub sends, and ignores its id and time. Empty lines are skipped. The first line that is not an event ends the sequence with an
// error. A line has at most 32 MiB.
func ReadEvents(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, longestLine)
		n := 1
		for ; lines.Scan(); n++ {
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			e, err := parseLine(line)
			if err != nil {
				yield(Event{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Event{}, fmt.Errorf("line %d: %w", n, err))
		}
	}
}

// parseLine returns the event of a line.
func parseLine(line []byte) (Event, error) {
	if !utf8.Valid(line) {
		return Event{}, errors.New("the line is not UTF-8")
	}
	l, err := wire.ParseLine(line)
	if err != nil {
		return Event{}, err
	}
	data, binary, err := l.Content()
	if err != nil {
		return Event{}, err
	}
	e := Event{Topics: l.Topics, Type: l.Type, Key: l.Key, End: l.End, Binary: binary}
	if l.Topic != nil {
		e.Topic = *l.Topic
	}
	if l.Data != nil {
		e.Data = []byte(data)
	}
	return e, nil
}

// appendLine appends the event as a line.
func (e *Event) appendLine(b []byte) []byte {
	l := wire.Line{Type: e.Type, Key: e.Key, End: e.End}
	if topics := e.topics(); len(topics) == 1 {
		l.Topic = &topics[0]
	} else {
		l.Topics = topics
	}
	l.SetContent(string(e.Data), e.Binary)
	return l.Append(b)
}
