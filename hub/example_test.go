package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// A hub in a server with other tasks. The server publishes events itself, and its accounts decide who may subscribe to what.
func Example() {
	events, err := eventlog.NewMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := hub.New(events, &hub.Options{Authorize: func(r *http.Request) (access.Grant, error) {
		user, _, ok := r.BasicAuth() // or a session, or any other login
		if !ok {
			return access.Grant{}, errors.New("log in first") // the client gets 401
		}
		return access.Grant{
			Subject:   user,
			Subscribe: []eventlog.Matcher{eventlog.MustPattern("news/**")},
		}, nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/events", h)
	mux.Handle("/events/", h)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "a page of our own")
	})
	server := httptest.NewServer(mux)

	_, err = h.Publish(context.Background(), hub.Event{Topics: []string{"news/today"}, Data: "hello"})
	if err != nil {
		log.Fatal(err)
	}
	follow(server.URL + "/events/news/today?since=earliest")

	// At the end shut down the hub first: a server that shuts down waits for its streams. Close the log last.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(h.Shutdown(ctx), server.Config.Shutdown(ctx), events.Close()); err != nil {
		log.Fatal(err)
	}
	// Output: hello
}

// The hub takes tokens from the Authorization field, and for web pages from a cookie.
func ExampleTokens() {
	key, err := access.ParseKey([]byte("a secret of 32 bytes or more, from a file"))
	if err != nil {
		log.Fatal(err)
	}
	policy := &access.Policy{
		Verifier:    &access.Verifier{Keys: []access.Key{key}},
		Public:      []eventlog.Matcher{eventlog.MustPattern("news/**")}, // may be read without a token
		Revocations: access.NewRevocations(0, 0),
	}
	events, err := eventlog.NewMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := hub.New(events, &hub.Options{
		Authorize:   hub.Tokens(policy, hub.TokenCookie("session")),
		Revocations: policy.Revocations,
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(h)
	for _, topic := range []string{"news/today", "chat"} {
		resp, err := http.Get(server.URL + "/events/" + topic + "?poll=1")
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		fmt.Println(topic, resp.StatusCode)
	}
	server.Close()
	if err := errors.Join(h.Shutdown(context.Background()), events.Close()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// news/today 200
	// chat 401
}

// follow prints the data of the first event of a stream.
func follow(url string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	req.SetBasicAuth("ada", "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range sse.ReadResponse(resp, nil) { // ReadResponse closes the body
		if err != nil {
			log.Fatal(err)
		}
		if event.Type == sse.DefaultType { // control events have other types
			fmt.Println(event.Data)
			return
		}
	}
}
