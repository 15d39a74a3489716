package tidings

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
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

// incoming is a line of NDJSON.
type incoming struct {
	ID       json.RawMessage `json:"id"`   // left out
	Time     json.RawMessage `json:"time"` // left out
	Topic    string          `json:"topic"`
	Topics   []string        `json:"topics"`
	Type     string          `json:"type"`
	Key      string          `json:"key"`
	Encoding string          `json:"encoding"`
	End      bool            `json:"end"`
	Data     json.RawMessage `json:"data"`
}

// parseLine refuses members that it does not know: a misspelt one would be lost without a word.
func parseLine(line []byte) (Event, error) {
	var in incoming
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return Event{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errors.New("there is more than one JSON value")
	}
	if in.Data == nil && !in.End {
		return Event{}, errors.New("the event has no data")
	}
	e := Event{Topic: in.Topic, Topics: in.Topics, Type: in.Type, Key: in.Key, End: in.End, Data: in.Data}
	text, isText := "", len(in.Data) > 0 && in.Data[0] == '"'
	if isText {
		if err := json.Unmarshal(in.Data, &text); err != nil {
			return Event{}, err
		}
		e.Data = []byte(text)
	}
	switch {
	case in.Encoding == "" || in.Encoding == utf8Encoding:
	case in.Encoding == base64Encoding && (isText || in.Data == nil):
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Event{}, err
		}
		e.Data, e.Binary = data, true
	default:
		return Event{}, fmt.Errorf("the encoding %.40q is not utf-8, nor base64 of a string", in.Encoding)
	}
	return e, nil
}
