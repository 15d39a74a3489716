package wire

import (
	"bytes"
	"encoding/json"
	"strings"
)

// scanLine reads a plain line: each member is known and occurs once, and names, topics and the like have no escapes. Most lines are plain,
// and a publisher sends them by the hundred thousand; encoding/json takes ten times as long. If scanLine is not ok, the line may still be
// an event: decodeLine reads it, or says what is wrong. FuzzScanLine checks that both read the same.
func scanLine(text []byte, l *Line) (ok bool) {
	s := lineScanner{rest: text}
	var seen lineField
	for more := s.take('{'); more; more = s.take(',') {
		name, isName := s.plain()
		field := fieldOf(name)
		if !isName || field == 0 || seen&field != 0 || !s.take(':') || !s.field(field, l) {
			*l = Line{}
			return false
		}
		seen |= field
	}
	if ok = seen != 0 && s.take('}') && len(s.rest) == 0; !ok {
		*l = Line{}
	}
	return ok
}

type lineField uint

const (
	fieldData lineField = 1 << iota
	fieldType
	fieldTopic
	fieldTopics
	fieldKey
	fieldEncoding
	fieldEnd
	fieldID
	fieldTime
)

func fieldOf(name []byte) lineField {
	switch string(name) {
	case nameData:
		return fieldData
	case nameType:
		return fieldType
	case nameTopic:
		return fieldTopic
	case nameTopics:
		return fieldTopics
	case nameKey:
		return fieldKey
	case nameEncoding:
		return fieldEncoding
	case nameEnd:
		return fieldEnd
	case nameID:
		return fieldID
	case nameTime:
		return fieldTime
	}
	return 0
}

// lineScanner reads the parts of a line one after the other.
type lineScanner struct{ rest []byte }

// field reads the value of a field.
func (s *lineScanner) field(field lineField, l *Line) (ok bool) {
	var text []byte
	switch field {
	case fieldData:
		l.Data, ok = s.value()
		return ok
	case fieldID, fieldTime: // ignored
		_, ok = s.value()
		return ok
	case fieldTopics:
		return s.topics(l)
	case fieldEnd:
		text, ok = s.value()
		l.End = string(text) == "true"
		return ok && (l.End || string(text) == "false")
	}
	if text, ok = s.plain(); !ok {
		return false
	}
	switch field {
	case fieldType:
		l.Type = string(text)
	case fieldTopic:
		l.Topic = new(string(text))
	case fieldKey:
		l.Key = string(text)
	case fieldEncoding:
		l.Encoding = string(text)
	}
	return true
}

func (s *lineScanner) topics(l *Line) (ok bool) {
	for more := s.take('['); more; more = s.take(',') {
		topic, ok := s.plain()
		if !ok {
			return false
		}
		l.Topics = append(l.Topics, string(topic))
	}
	return l.Topics != nil && s.take(']')
}

// take reads an expected character, and the space around it.
func (s *lineScanner) take(c byte) bool {
	s.skipSpace()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	s.skipSpace()
	return true
}

func (s *lineScanner) skipSpace() {
	for len(s.rest) > 0 && isJSONSpace(s.rest[0]) {
		s.rest = s.rest[1:]
	}
}

func isJSONSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// plain reads a string without escapes, and returns the text between its quotes.
func (s *lineScanner) plain() (text []byte, ok bool) {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return nil, false
	}
	n := bytes.IndexByte(s.rest[1:], '"')
	if n < 0 || !isPlain(s.rest[1:1+n]) {
		return nil, false
	}
	text, s.rest = s.rest[1:1+n], s.rest[n+2:]
	return text, true
}

// isPlain reports whether a string has neither an escape nor a character that must be escaped.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c < ' ' {
			return false
		}
	}
	return true
}

// value reads any value.
func (s *lineScanner) value() (raw []byte, ok bool) {
	from := s.rest
	if _, ok := s.plain(); ok {
		return from[:len(from)-len(s.rest)], true
	}
	n := valueLen(from)
	raw, s.rest = from[:n], from[n:]
	return raw, json.Valid(raw)
}

// valueLen returns the length of the JSON value at the beginning of a text, and whether there is one.
func valueLen(text []byte) int {
	const deepest = 100 // encoding/json goes deeper
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > deepest {
				return 0
			}
		case depth == 0 && (c == ',' || c == '}' || isJSONSpace(c)):
			return i
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(text)
}

// unquote returns the text of a JSON string that is valid.
func unquote(raw []byte) (string, error) {
	const escapes, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	rest := raw[1 : len(raw)-1]
	i := bytes.IndexByte(rest, '\\')
	if i < 0 {
		return string(rest), nil
	}
	text := make([]byte, 0, len(rest))
	for ; i >= 0; i = bytes.IndexByte(rest, '\\') {
		escape := strings.IndexByte(escapes, rest[i+1])
		if escape < 0 { // \u
			var text string
			err := json.Unmarshal(raw, &text)
			return text, err
		}
		text = append(append(text, rest[:i]...), meant[escape])
		rest = rest[i+2:]
	}
	return string(append(text, rest...)), nil
}
