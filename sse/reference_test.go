package sse_test

import (
	"strings"

	"github.com/tidings-sse/tidings/sse"
)

// reference reads a whole stream as the standard's text goes, sentence by sentence and with no thought of speed
// (WHATWG HTML 9.2.5 and 9.2.6). The decoder is compared with it. It returns the events, the last event ID, and
// whether the stream ended inside an event.
func reference(stream []byte) (events []sse.Event, lastEventID string, truncated bool) {
	text := strings.TrimPrefix(string(sse.AppendValidUTF8(nil, stream)), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	lines, rest := lines[:len(lines)-1], lines[len(lines)-1]

	var data, typ strings.Builder
	id := ""
	for _, line := range lines {
		if line == "" {
			lastEventID = id
			if data.Len() > 0 {
				e := sse.Event{Type: "message", Data: strings.TrimSuffix(data.String(), "\n"), ID: id}
				if typ.Len() > 0 {
					e.Type = typ.String()
				}
				events = append(events, e)
			}
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
		}
	}
	return events, lastEventID, truncated || rest != "" && rest[0] != ':'
}
