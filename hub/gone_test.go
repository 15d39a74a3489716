package hub_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// shutdown shuts down a hub and its streams.
func shutdown(t *testing.T, h *hub.Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// hangingLog is a log whose reads of some topics hang until their context ends.
type hangingLog struct {
	eventlog.Log
	hangs atomic.Bool
	read  chan struct{} // receives a value for each hanging read
}

func (l *hangingLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if !l.hangs.Load() || q.Selector.All() {
		return l.Log.Read(ctx, q)
	}
	select {
	case l.read <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return eventlog.Answer{}, ctx.Err()
}

// TestDisconnectEndsAHangingRead: the handler returns even if the log does not.
func TestDisconnectEndsAHangingRead(t *testing.T) {
	t.Parallel()
	log := &hangingLog{Log: mustMemory(t, nil), read: make(chan struct{}, 1)}
	h, err := hub.New(log, &hub.Options{Window: 1})
	if err != nil {
		t.Fatal(err)
	}
	returned := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(returned)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	defer shutdown(t, h)
	for range 10 {
		if _, err := h.Publish(t.Context(), hub.Event{Topics: []string{"news"}, Data: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", log.Head().Gen+"-1")
	log.hangs.Store(true)
	go func() {
		if resp, err := server.Client().Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	<-log.read
	leave()
	select {
	case <-returned:
	case <-time.After(patience):
		t.Error("the handler still reads after the client has disconnected")
	}
}

// poisoned is a ResponseWriter of middleware that panics.
type poisoned struct{ http.ResponseWriter }

func (w poisoned) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "poison") {
		panic(http.ErrAbortHandler)
	}
	return w.ResponseWriter.Write(b)
}

func (w poisoned) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

// TestPanicInMiddlewareEndsOnlyItsRequest: net/http recovers it, and the process continues.
func TestPanicInMiddlewareEndsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	h, err := hub.New(mustMemory(t, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	panicked := make(chan any, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			why := recover()
			panicked <- why
			panic(why)
		}()
		h.ServeHTTP(poisoned{w}, r)
	}))
	defer server.Close()
	defer shutdown(t, h)
	resp, err := http.Get(server.URL + "/events/news")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := h.Publish(t.Context(), hub.Event{Topics: []string{"news"}, Data: "poison"}); err != nil {
		t.Fatal(err)
	}
	if why, isError := (<-panicked).(error); !isError || !errors.Is(why, http.ErrAbortHandler) {
		t.Errorf("the handler panics with %v", why)
	}
}
