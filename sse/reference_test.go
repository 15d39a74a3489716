package sse_test

import (
	"regexp"
	"strings"

	"github.com/tidings-sse/tidings/sse"
)

// token matches a token (RFC 9110, section 5.6.2).
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// errorName matches names of fields that report an error.
var errorName = regexp.MustCompile("(?i)error$")

// reference decodes a whole stream by the text of the standard, sentence by sentence, without regard to speed (WHATWG
// HTML 9.2.5 and 9.2.6). Tests compare the decoder with it. It returns the events, the last event ID, and whether the
// stream is truncated: it ended inside an event, or after its last event there is a line that is not a field, or that is
// named "error".
func reference(stream []byte) (events []sse.Event, lastEventID string, truncated bool) {
	text := strings.TrimPrefix(string(sse.AppendValidUTF8(nil, stream)), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	lines, rest := lines[:len(lines)-1], lines[len(lines)-1]

	var data, typ strings.Builder
	id := ""
	page, word := false, false // not a field: a line since the last event, a single word since the last blank line
	for _, line := range lines {
		if line == "" {
			lastEventID = id
			if data.Len() > 0 {
				e := sse.Event{Type: "message", Data: strings.TrimSuffix(data.String(), "\n"), ID: id}
				if typ.Len() > 0 {
					e.Type = typ.String()
				}
				events = append(events, e)
				page = false
			}
			word = false
			data.Reset()
			typ.Reset()
			truncated = false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			typ.Reset()
			typ.WriteString(value)
			truncated = true
		case "data":
			data.WriteString(value + "\n")
			truncated = true
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
				truncated = true
			}
		case "", "retry": // a comment, or the reconnection time
		default:
			start := line[:min(len(line), 100)]
			name, _, colon := strings.Cut(start, ":")
			switch token := token.MatchString(name); {
			case strings.HasPrefix(line, "\uFEFF"), strings.Trim(start, " \t") == "":
			case errorName.MatchString(name):
				page = true
			case token && colon:
			case token:
				word = true
			default:
				page = true
			}
		}
	}
	return events, lastEventID, truncated || page || word || rest != "" && rest[0] != ':'
}
