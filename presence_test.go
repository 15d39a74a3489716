package tidings_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// openHub returns a client of a hub without keys.
func openHub(t *testing.T) *tidings.Client {
	t.Helper()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
		_ = log.Close()
	})
	return &tidings.Client{URL: server.URL, HTTP: server.Client()}
}

// TestClientSeesWhoComesToATopic, lists them, and is present itself.
func TestClientSeesWhoComesToATopic(t *testing.T) {
	t.Parallel()
	c := openHub(t)
	steps := 0
	for p, err := range c.Presence(t.Context(), "room/1", &tidings.PresenceOptions{Present: true, Subject: "bob", Data: []byte(`{"age":7}`)}) {
		if err != nil {
			t.Fatal(err)
		}
		switch names := namesOf(p.Members); {
		case steps == 0 && names == `bob{"age":7}`:
			steps++
			go func() {
				for _, err := range c.Presence(t.Context(), "room/1", &tidings.PresenceOptions{Present: true, Subject: "eve"}) {
					if err != nil {
						return // the test has ended
					}
				}
			}()
		case steps == 1 && names == `bob{"age":7} eve`:
			if namesOf(p.In) != "eve" || p.Subjects != 2 || p.Topic != "room/1" {
				t.Errorf("%+v", p)
			}
			steps++
		}
		if steps == 2 {
			break
		}
	}
	var listed []tidings.Member
	for m, err := range c.Roster(t.Context(), "room/1") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, m)
	}
	if got := namesOf(listed); got != `bob{"age":7} eve` {
		t.Errorf("the roster has %q", got)
	}
	for _, err := range c.Roster(t.Context(), "room/*") {
		if problem, ok := errors.AsType[*tidings.Problem](err); !ok || problem.Name() != "invalid-topic" {
			t.Errorf("%v, want a problem", err)
		}
	}
	for _, err := range c.Presence(t.Context(), "room/*", nil) {
		if problem, ok := errors.AsType[*tidings.Problem](err); !ok || problem.Name() != "invalid-topic" {
			t.Errorf("%v, want a problem", err)
		}
	}
}

func namesOf(members []tidings.Member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.Subject+string(m.Data))
	}
	return strings.Join(names, " ")
}

// TestClientRefusesPresenceOfATopicThatItDoesNotWatch: the server is no hub.
func TestClientRefusesPresenceOfATopicThatItDoesNotWatch(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{"topic":"b","streams":1,"subjects":0,"members":[]}`, `{"members":[]}`, `null`, `[]`, `1`} {
		server := ssetest.NewServer(t, ssetest.Stream(ssetest.Send("event: tidings.presence\ndata: "+data+"\n\n"), ssetest.Hold()))
		c := &tidings.Client{URL: server.URL, HTTP: server.Client()}
		for p, err := range c.Presence(t.Context(), "a", nil) {
			if !errors.Is(err, tidings.ErrNoHub) {
				t.Errorf("%s: %+v, %v, want ErrNoHub", data, p, err)
				break
			}
		}
	}
}

// TestClientMergesPresence: each line is what the hub says, and what the program learns.
func TestClientMergesPresence(t *testing.T) {
	t.Parallel()
	conversation := []struct{ says, want string }{
		{`"members":[{"subject":"bob"}]`, "[bob] +bob"},
		{`"in":[{"subject":"eve"},{"subject":"bob"}],"out":["joe"]`, "[bob eve] +eve"},
		{`"in":[{"subject":"bob","data":1}],"out":["eve"]`, "[bob1] +bob1 -eve"},
		{`"members":[],"settling":true`, "[bob1]"}, // a hub that has restarted
		{`"in":[{"subject":"joe"}],"out":[],"settling":true`, "[bob1 joe] +joe"},
		{`"members":[{"subject":"joe"}]`, "[joe] -bob"},
		{`"x":1`, ""}, // too many to name
		{`"members":[{"subject":"joe"},{"subject":"zoe"}]`, "[joe zoe] +zoe"},
	}
	var body strings.Builder
	for _, step := range conversation {
		fmt.Fprintf(&body, "event: tidings.presence\ndata: {\"topic\":\"a\",\"streams\":1,\"subjects\":1,%s}\n\n", step.says)
	}
	server := ssetest.NewServer(t, ssetest.Stream(ssetest.Send(body.String()), ssetest.Hold()))
	c := &tidings.Client{URL: server.URL, HTTP: server.Client()}
	i := 0
	for p, err := range c.Presence(t.Context(), "a", nil) {
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if p.Members != nil {
			got = "[" + namesOf(p.Members) + "]"
		}
		for _, m := range p.In {
			got += " +" + m.Subject + string(m.Data)
		}
		for _, subject := range p.Out {
			got += " -" + subject
		}
		if got != conversation[i].want {
			t.Errorf("after %s: %q, want %q", conversation[i].says, got, conversation[i].want)
		}
		if i++; i == len(conversation) {
			break
		}
	}
	if i != len(conversation) {
		t.Errorf("%d states, want %d", i, len(conversation))
	}
}

// TestPresenceGoesOnAtAHubWithANewLog: it missed no event, because it follows none, and yet the gap ended it.
func TestPresenceGoesOnAtAHubWithANewLog(t *testing.T) {
	t.Parallel()
	state := "event: tidings.presence\ndata: {\"topic\":\"a\",\"streams\":1,\"subjects\":1,\"members\":[{\"subject\":\"%s\"}]}\n\n"
	server := ssetest.NewServer(t,
		ssetest.Stream(ssetest.Send("event: tidings.checkpoint\nretry: 1\ndata: {}\nid: aaaaa-7\n\n"+fmt.Sprintf(state, "bob"))),
		ssetest.Stream(ssetest.Send("event: tidings.gap\ndata: {\"reason\":\"reset\",\"from\":\"aaaaa-7\",\"to\":\"bbbbb-0\"}\n\n"+fmt.Sprintf(state, "eve")), ssetest.Hold()))
	c := &tidings.Client{URL: server.URL, HTTP: server.Client(), OnRetry: func(error, time.Duration) {}}
	var seen []string
	for p, err := range c.Presence(t.Context(), "a", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, namesOf(p.Members)); len(seen) == 2 {
			break
		}
	}
	if got := strings.Join(seen, ", "); got != "bob, eve" {
		t.Errorf("the states are %s", got)
	}
}
