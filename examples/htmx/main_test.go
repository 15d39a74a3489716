package main

import (
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

func TestEveryPageGetsAVote(t *testing.T) {
	poll := handler(newPoll("Tea", "<Coffee>"))
	server := httptest.NewServer(poll)
	t.Cleanup(server.Close)
	first, second := subscribe(t, server), subscribe(t, server)
	for _, votes := range []func() string{first, second} {
		if html := votes(); !strings.Contains(html, `<td>0</td>`) || !strings.Contains(html, "&lt;Coffee&gt;") {
			t.Errorf("before the vote: %s", html)
		}
	}
	if status := vote(poll, "<Coffee>"); status != http.StatusNoContent {
		t.Errorf("the vote got status %d", status)
	}
	for _, votes := range []func() string{first, second} {
		if html := votes(); !strings.Contains(html, `<td>1</td>`) {
			t.Errorf("after the vote: %s", html)
		}
	}
}

func TestVoteForUnknownChoiceIsRefused(t *testing.T) {
	if status := vote(handler(newPoll("Tea")), "Wine"); status != http.StatusNotFound {
		t.Errorf("got status %d", status)
	}
}

// subscribe returns a function that waits for the next votes.
func subscribe(t *testing.T, server *httptest.Server) (votes func() string) {
	next, stop := iter.Pull2(sse.Subscribe(t.Context(), server.URL+"/events"))
	t.Cleanup(stop)
	return func() string {
		event, err, _ := next()
		if err != nil || event.Type != "votes" {
			t.Fatalf("got %+v, %v", event, err)
		}
		return event.Data
	}
}

func vote(poll http.Handler, name string) (status int) {
	form := strings.NewReader(url.Values{"for": {name}}.Encode())
	r := httptest.NewRequest(http.MethodPost, "/votes", form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	poll.ServeHTTP(answer, r)
	return answer.Code
}
