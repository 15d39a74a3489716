package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidings-sse/tidings/sse"
)

// sentence says what a hub says about a stream, for people: "" if e says nothing of that kind, or says it in a way that we do not know.
func sentence(e sse.Event) string {
	var said struct {
		Reason, From, To string // of a gap
		Topic            string
		Topics           []string // of an end
		Title, Detail    string   // of a problem
	}
	if !strings.HasPrefix(e.Type, controlPrefix) || e.Data != "" && json.Unmarshal([]byte(e.Data), &said) != nil {
		return ""
	}
	switch strings.TrimPrefix(e.Type, controlPrefix) {
	case "gap":
		return gapSentence(said.Reason, said.From, said.To)
	case "end":
		if len(said.Topics) == 0 && said.Topic != "" {
			said.Topics = []string{said.Topic}
		}
		if n := len(said.Topics); n > 0 {
			return strings.Join(said.Topics, ", ") + completeText(n) + ": nothing more will be published there"
		}
	case "expiring":
		return "the token ends soon, and the stream with it"
	case "retry":
		if text := said.Detail; text != "" {
			return "the hub asks to come back later: " + text
		} else if said.Title != "" {
			return "the hub asks to come back later: " + said.Title
		}
	}
	return ""
}

// gapReasons say why events are missing.
var gapReasons = map[string]string{
	"trimmed":  "the hub does not keep them any more",
	"reset":    "the hub has another log now, to which the position does not belong",
	"rollback": "the hub has lost them",
	"lag":      "this reader was too slow",
}

func gapSentence(reason, from, to string) string {
	text := "events are missing"
	switch {
	case from != "" && to != "" && from != to:
		text += fmt.Sprintf(" after %s, up to %s", from, to)
	case from != "":
		text += " after " + from
	}
	if reason != "" {
		text += " (" + reason + ")"
	}
	if why := gapReasons[reason]; why != "" {
		text += ": " + why
	}
	return text
}
