package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Line is an event to be published as a line of NDJSON. A line may also be an envelope that a hub has sent: its id and time are ignored.
type Line struct {
	Topic    *string  // nil: the line has none
	Topics   []string // nil: the line has none
	Type     string
	Key      string // the idempotency key
	Encoding string // "" or UTF8: Data is text; Base64: Data is a string of base64
	End      bool   // it is the last event of its topics

	// Data is the JSON value: a string is the data; any other value is published as JSON text. Nil: the line has none.
	Data json.RawMessage
}

// SetContent sets the data of the line.
func (l *Line) SetContent(data string, binary bool) {
	text := data
	if l.Encoding = ""; binary {
		text, l.Encoding = Encode(data, true)
	}
	l.Data, _ = json.Marshal(text) // of a string
}

// Append appends the line with its line end.
func (l *Line) Append(b []byte) []byte {
	b = append(b, '{')
	if l.Topic != nil {
		b = appendMember(b, nameTopic, *l.Topic)
	}
	if l.Topics != nil {
		b = appendMember(b, nameTopics, l.Topics)
	}
	for _, m := range []struct{ name, value string }{{nameType, l.Type}, {nameKey, l.Key}, {nameEncoding, l.Encoding}} {
		if m.value != "" {
			b = appendMember(b, m.name, m.value)
		}
	}
	if l.End {
		b = appendMember(b, nameEnd, true)
	}
	if l.Data != nil {
		b = append(appendName(b, nameData), l.Data...)
	}
	return append(b, "}\n"...)
}

func appendMember(b []byte, name string, value any) []byte {
	text, _ := json.Marshal(value) // strings and booleans
	return append(appendName(b, name), text...)
}

func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), `":`...)
}

// ParseLine reads a line, which is UTF-8 and has no space around it. It refuses members that it does not know: otherwise the hub would
// silently drop a misspelt one. The result may refer to text.
func ParseLine(text []byte) (l Line, err error) {
	if scanLine(text, &l) {
		return l, nil
	}
	return decodeLine(text)
}

// The names of a line's members.
const (
	nameData     = "data"
	nameType     = "type"
	nameTopic    = "topic"
	nameTopics   = "topics"
	nameKey      = "key"
	nameEncoding = "encoding"
	nameEnd      = "end"
	nameID       = "id"
	nameTime     = "time"
)

// decodeLine reads any line.
func decodeLine(text []byte) (Line, error) {
	var l struct {
		Data     json.RawMessage `json:"data"`
		Type     string          `json:"type"`
		Topic    *string         `json:"topic"`
		Topics   []string        `json:"topics"`
		Key      string          `json:"key"`
		Encoding string          `json:"encoding"`
		End      bool            `json:"end"`

		ID   json.RawMessage `json:"id"`   // ignored
		Time json.RawMessage `json:"time"` // ignored
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return Line{}, jsonError(text, err)
	}
	if rest := text[decoder.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return Line{}, fmt.Errorf("%.40q follows the object", rest)
	}
	return Line{Topic: l.Topic, Topics: l.Topics, Type: l.Type, Key: l.Key, Encoding: l.Encoding, End: l.End, Data: l.Data}, nil
}

// jsonError describes the fault of a line in terms of JSON. The errors of encoding/json name types of Go.
func jsonError(text []byte, err error) error {
	if broken, ok := errors.AsType[*json.SyntaxError](err); ok && strings.HasPrefix(err.Error(), "invalid character") && !strings.Contains(err.Error(), "depth") {
		at := min(max(int(broken.Offset)-1, 0), len(text))
		return fmt.Errorf("it is not JSON: invalid character at byte %d, %.20q", at+1, text[at:])
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON is incomplete: unexpected EOF")
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("it is a JSON %s, not an object", wrong.Value)
		}
		return fmt.Errorf("%s is a JSON %s", wrong.Field, wrong.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// Names returns the topics of the line, the canonical one first: Topic, then those of Topics that differ from it. It returns nil if the
// line has neither member.
func (l *Line) Names() []string {
	switch {
	case l.Topic == nil:
		return l.Topics
	case len(l.Topics) > 0 && l.Topics[0] == *l.Topic:
		return l.Topics
	}
	return append([]string{*l.Topic}, slices.DeleteFunc(slices.Clone(l.Topics), func(t string) bool { return t == *l.Topic })...)
}

// Content returns the data of the line, and whether it is bytes. Only a line that ends its topics may have no data.
func (l *Line) Content() (data string, binary bool, err error) {
	isText := len(l.Data) > 0 && l.Data[0] == '"'
	switch {
	case l.Encoding != "" && l.Encoding != UTF8 && l.Encoding != Base64:
		return Decode("", l.Encoding)
	case l.Data == nil && !l.End:
		return "", false, errors.New(`it has no data; write "data":"" for empty data`)
	case !isText && l.Data != nil && l.Encoding == Base64:
		return "", false, errNoText
	case !isText:
		return string(l.Data), l.Encoding == Base64, nil
	}
	if data, err = unquote(l.Data); err != nil {
		return "", false, fmt.Errorf("the data cannot be read: %w", err)
	}
	return Decode(data, l.Encoding)
}
