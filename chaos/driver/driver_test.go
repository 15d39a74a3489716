package driver

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

func pos(text string) *history.Position {
	p := &history.Position{}
	if err := p.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return p
}

func TestContentBelongsToOneName(t *testing.T) {
	for _, name := range []string{"p1.1", "p1.11", "duel/0/0.shared.1"} {
		if got, err := NameOf(Content(name)); got != name || err != nil {
			t.Errorf("the content of %q is that of %q, %v", name, got, err)
		}
	}
	for _, content := range []string{"", "p1.1", Content("p1.1") + "x", strings.Replace(Content("p1.1"), "1:", "2:", 1)} {
		if name, err := NameOf(content); err == nil {
			t.Errorf("%q is the content of %q", content, name)
		}
	}
}

func TestStreamOfTidingsIsUnderstood(t *testing.T) {
	tests := map[string]struct {
		event sse.Event
		want  []Seen
	}{
		"plain":      {sse.Event{Type: "message", ID: "k3f9a-7", Data: "p1.1:x"}, []Seen{{Kind: history.Event, ID: pos("k3f9a-7"), Data: "p1.1:x"}}},
		"envelope":   {sse.Event{Type: "message", ID: "k3f9a-7", Data: `{"id":"k3f9a-7","topics":["a","b"],"data":"p1.1:x"}`}, []Seen{{Kind: history.Event, ID: pos("k3f9a-7"), Data: "p1.1:x", Topics: []string{"a", "b"}}}},
		"checkpoint": {sse.Event{Type: "tidings.checkpoint", ID: "k3f9a-9", Data: "{}"}, []Seen{{Kind: history.Checkpoint, ID: pos("k3f9a-9")}}},
		"gap":        {sse.Event{Type: "tidings.gap", ID: "k3f9a-9", Data: `{"reason":"trimmed","from":"k3f9a-9","to":"k3f9a-20"}`}, []Seen{{Kind: history.Gap, To: pos("k3f9a-20"), Why: "trimmed"}}},
		"end":        {sse.Event{Type: "tidings.end", ID: "k3f9a-9", Data: `{"topic":"a","topics":["a"]}`}, []Seen{{Kind: history.Ended, Topics: []string{"a"}}}},
		"unknown":    {sse.Event{Type: "tidings.later", Data: `{}`}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := (&Tidings{}).Parse(test.event, nil)
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v: %s", err, diff)
			}
		})
	}
	if _, err := (&Tidings{}).Parse(sse.Event{Type: "message", ID: "k3f9a-7", Data: `{"id":"k3f9a-8","data":"p1.1:x"}`}, nil); err == nil {
		t.Error("an event with two positions is understood")
	}
}

func TestAnswerOfTidingsIsUnderstood(t *testing.T) {
	one, two := make([]Sent, 1), make([]Sent, 2)
	tests := map[string]struct {
		status int
		body   string
		events []Sent
		want   history.Outcome
		ids    []history.Position
	}{
		"stored":        {200, `{"id":"k3f9a-7"}`, one, history.OK, []history.Position{*pos("k3f9a-7")}},
		"known":         {200, `{"id":"k3f9a-7","duplicate":true}`, one, history.Duplicate, []history.Position{*pos("k3f9a-7")}},
		"together":      {200, `{"count":2,"first":"k3f9a-7","last":"k3f9a-8"}`, two, history.OK, []history.Position{*pos("k3f9a-7"), *pos("k3f9a-8")}},
		"apart":         {200, `{"count":2,"first":"k3f9a-7","last":"k3f9a-9"}`, two, history.OK, nil},
		"in part known": {200, `{"count":2,"first":"k3f9a-7","last":"k3f9a-8","duplicates":1}`, two, history.OK, nil},
		"ended":         {409, `{"type":"urn:tidings:problem:ended"}`, one, history.Refused, nil},
		"in part":       {409, `{"type":"urn:tidings:problem:ended","stored":1}`, two, history.Unknown, nil},
		"full disk":     {503, `{"type":"urn:tidings:problem:unavailable"}`, one, history.Unknown, nil},
		"draining":      {503, `{"type":"urn:tidings:problem:draining"}`, one, history.Busy, nil},
		"a proxy":       {502, `Bad Gateway`, one, history.Unknown, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ids := (&Tidings{}).Answer(test.status, []byte(test.body), test.events)
			if diff := cmp.Diff(test.ids, ids); diff != "" || got != test.want {
				t.Errorf("the outcome is %q, want %q; positions: %s", got, test.want, diff)
			}
		})
	}
}

func TestStreamOfCentrifugoIsUnderstood(t *testing.T) {
	after := map[string]history.Position{"a": *pos("E-1@a")}
	tests := map[string]struct {
		data string
		want []Seen
	}{
		"push":      {`{"channel":"a","pub":{"data":"x","offset":5}}`, []Seen{{Kind: history.Event, ID: pos("E-5@a"), Data: "x", Topics: []string{"a"}}}},
		"ping":      {`{}`, nil},
		"beginning": {`{"connect":{"subs":{"a":{"epoch":"E","offset":4}}}}`, []Seen{{Kind: history.Checkpoint, ID: pos("E-4@a")}}},
		"recovered": {
			`{"connect":{"subs":{"a":{"epoch":"E","offset":1,"was_recovering":true,"recovered":true,"publications":[{"data":"x","offset":2}]}}}}`,
			[]Seen{{Kind: history.Event, ID: pos("E-2@a"), Data: "x"}, {Kind: history.Checkpoint, ID: pos("E-2@a")}},
		},
		"lost": {
			`{"connect":{"subs":{"a":{"epoch":"F","offset":4,"was_recovering":true}}}}`,
			[]Seen{{Kind: history.Gap, To: pos("F?-0@a"), Why: "not recovered"}, {Kind: history.Checkpoint, ID: pos("F-4@a")}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := (&Centrifugo{}).Parse(sse.Event{Data: test.data}, after)
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v: %s", err, diff)
			}
		})
	}
}
