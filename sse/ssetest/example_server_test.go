package ssetest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// resume tests a client whose first stream breaks. It runs in a synctest bubble, where a delay of a minute takes no
// time.
func resume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t,
			ssetest.Stream(ssetest.Send("id: 1\nretry: 60000\ndata: a\n\n"), ssetest.Cut()),
			ssetest.Stream(ssetest.Send("data: b\n\n"), ssetest.Hold()),
		)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &sse.Client{HTTP: server.Client(), Recover: sse.WHATWG}
		got := ssetest.Collect(t, client.Subscribe(req))

		events, err := got.Wait(t.Context(), 2)
		if err != nil || events[1].Data != "b" {
			t.Fatalf("got %v and %v", events, err)
		}
		requests := server.Requests()
		if id := requests[1].Header.Get("Last-Event-ID"); id != "1" {
			t.Errorf("resumed from %q", id)
		}
		ended, _ := requests[0].Ended()
		if delay := requests[1].At.Sub(ended); delay != time.Minute {
			t.Errorf("reconnected after %v", delay)
		}
	})
}

// Tests a client against a server with scripted answers.
func ExampleNewServer() {
	// In your own file, resume is called TestResume.
	_ = resume
}
