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

// longestLine bounds a line of NDJSON, in bytes.
const longestLine = 32 << 20

// ReadEvents reads events from NDJSON, one a line, for [Client.PublishStream]: objects with data, and if wanted topic,
// topics, type, key, encoding ("base64" for bytes) and end. Data that is no string is published as the JSON that it is.
// What a hub gives as NDJSON can be read, too; its id and time are left out. Empty lines mean nothing. The sequence
// ends with the first line that is no event; a line has 32 MiB at the most.
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
