// Package streamtest tests that event streams work behind a router and its middleware.
package streamtest

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// Router returns a router that serves events at /events and a page at /. Its middleware compresses only the page.
type Router func(events func(*sse.Stream) error) http.Handler

// Run tests that events arrive one by one, uncompressed and beyond http.Server.WriteTimeout, and that a panic ends only
// its own stream.
func Run(t *testing.T, router Router) {
	t.Run("events arrive one by one", router.flushes)
	t.Run("streams outlive WriteTimeout", router.outlivesWriteTimeout)
	t.Run("events are not compressed", router.compressesPagesOnly)
	t.Run("a panic ends only its own stream", router.recovers)
}

// flushes sends each event only after the previous one has arrived, so the test fails if middleware buffers events.
func (router Router) flushes(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(router(func(s *sse.Stream) error {
		for n := range 3 {
			if err := s.Send(sse.Event{Data: fmt.Sprint(n)}); err != nil {
				return err
			}
			select {
			case <-arrived:
			case <-s.Context().Done():
				return nil
			}
		}
		return nil
	}))
	t.Cleanup(server.Close)
	next, stop := iter.Pull2(subscribe(t, server))
	t.Cleanup(stop)
	for n := range 3 {
		event, err, _ := next()
		if err != nil || event.Data != fmt.Sprint(n) {
			t.Fatalf("event %d is %+v, %v", n, event, err)
		}
		arrived <- struct{}{}
	}
}

func (router Router) outlivesWriteTimeout(t *testing.T) {
	const timeout = 20 * time.Millisecond
	server := httptest.NewUnstartedServer(router(func(s *sse.Stream) error {
		ticks := time.NewTicker(timeout / 4)
		defer ticks.Stop()
		for begin := time.Now(); time.Since(begin) < 3*timeout; <-ticks.C {
			if err := s.Send(sse.Event{Data: "tick"}); err != nil {
				return err
			}
		}
		return s.Send(sse.Event{Data: "end"})
	}))
	server.Config.WriteTimeout = timeout
	server.Start()
	t.Cleanup(server.Close)
	for event, err := range subscribe(t, server) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Data == "end" {
			return
		}
	}
}

func (router Router) compressesPagesOnly(t *testing.T) {
	r := router(func(s *sse.Stream) error { return s.Send(sse.Event{Data: "plain"}) })
	for path, want := range map[string]string{"/": "gzip", "/events": ""} {
		answer := get(r, path)
		if got := answer.Header().Get("Content-Encoding"); answer.Code != http.StatusOK || got != want {
			t.Errorf("%s: got status %d with Content-Encoding %q, want %q", path, answer.Code, got, want)
		}
	}
}

func (router Router) recovers(t *testing.T) {
	r := router(func(s *sse.Stream) error { panic("a mistake") })
	for path, want := range map[string]int{"/": http.StatusOK, "/events": http.StatusInternalServerError} {
		if got := get(r, path).Code; got != want {
			t.Errorf("%s: got status %d, want %d", path, got, want)
		}
	}
}

// get returns the response to a client that accepts gzip.
func get(router http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, r)
	return answer
}

// subscribe returns the events of one connection. It fails after 10 s, for routers that buffer events.
func subscribe(t *testing.T, server *httptest.Server) iter.Seq2[sse.Event, error] {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	once := sse.Client{Recover: func(*sse.Failure) (time.Duration, bool) { return 0, false }}
	return once.Subscribe(req)
}
