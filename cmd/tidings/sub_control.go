package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// sentence describes a control event of a hub in a sentence. It is "" for other events, and for control events that this version does not
// know or cannot parse.
func sentence(e sse.Event) string {
	switch e.Type {
	case wire.TypeGap:
		if gap, err := wire.ParseGap(e.Data); err == nil {
			return gapSentence(gap.Reason, gap.From, gap.To)
		}
	case wire.TypeEnd:
		if end, err := wire.ParseEnd(e.Data); err == nil && end.Topics[0] != "" {
			return strings.Join(end.Topics, ", ") + completeText(len(end.Topics)) + ": nothing more will be published there"
		}
	case wire.TypeExpiring:
		return "the token expires soon, and the stream ends with it"
	case wire.TypeRetry:
		var problem tidings.Problem
		if err := json.Unmarshal([]byte(e.Data), &problem); err == nil {
			if text := cmp.Or(problem.Detail, problem.Title); text != "" {
				return "the hub asks to reconnect later: " + text
			}
		}
	}
	return ""
}

// gapReasons explain the reasons of a gap.
var gapReasons = map[string]string{
	wire.ReasonTrimmed:  "the hub no longer retains them",
	wire.ReasonReset:    "the position belongs to another log than the hub has now",
	wire.ReasonRollback: "the hub has lost them",
	wire.ReasonCorrupt:  "the hub can no longer read them",
	wire.ReasonLag:      "this subscriber was too slow",
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
