package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// failed returns the cases that a server fails, and those that are left out. Limits are long for a server that should keep them, and short for one
// that cannot.
func failed(t *testing.T, h http.Handler, publishes bool, idle, wait time.Duration) (failed, leftOut []string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s := Server{URL: server.URL + "/events/news", Idle: idle, Wait: wait}
	if publishes {
		s.Publish = s.URL
	}
	results, err := RunServer(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.LeftOut != "" {
			leftOut = append(leftOut, r.Case)
		} else if r.Fault != nil {
			failed = append(failed, r.Case)
			t.Logf("%s: %v", r.Case, r.Fault)
		}
	}
	return failed, leftOut
}

func TestHubPassesEveryCaseOfServers(t *testing.T) {
	t.Parallel()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(log, &hub.Options{Heartbeat: 200 * time.Millisecond, HeartbeatMin: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	failed, leftOut := failed(t, h, true, time.Minute, time.Minute)
	if len(failed) > 0 || !slices.Equal(leftOut, []string{"utf-8"}) { // the hub refuses such a text
		t.Errorf("failed: %v, left out: %v", failed, leftOut)
	}
}

// naive is a server as one writes it in ten lines: no ids, no keep-alive, data on one line, and one slow subscriber holds up all others.
type naive struct {
	mu   sync.Mutex // guards the following field
	subs map[http.ResponseWriter]bool
}

func (n *naive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		text, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		defer n.mu.Unlock()
		for sub := range n.subs {
			_, _ = fmt.Fprintf(sub, "data: %s\n\n", text)
			sub.(http.Flusher).Flush()
		}
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	n.mu.Lock()
	w.(http.Flusher).Flush()
	n.subs[w] = true
	n.mu.Unlock()
	<-r.Context().Done()
	n.mu.Lock()
	delete(n.subs, w)
	n.mu.Unlock()
}

func TestFaultsOfANaiveServerAreFound(t *testing.T) {
	t.Parallel()
	failed, _ := failed(t, &naive{subs: map[http.ResponseWriter]bool{}}, true, 300*time.Millisecond, 8*time.Second)
	want := []string{"utf-8", "stuck", "lines", "empty-lines", "forged", "resume", "keep-alive"}
	if !slices.Equal(failed, want) {
		t.Errorf("failed: %v, want %v", failed, want)
	}
}

// TestServerThatAnswersSomethingElseFails every case that can run.
func TestServerThatAnswersSomethingElseFails(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if failed, leftOut := failed(t, page, false, time.Second, time.Minute); !slices.Contains(failed, "type") || !slices.Contains(failed, "resume") || len(leftOut) != 12 {
		t.Errorf("failed: %v, left out: %v", failed, leftOut)
	}
}

// wrapping is a server whose requests and events are JSON, as those of Centrifugo are.
type wrapping struct{ http.Handler }

func (h wrapping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var publish struct{ Channel, Data string }
		if err := json.NewDecoder(r.Body).Decode(&publish); err != nil || publish.Channel != "news" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		text, _ := json.Marshal(map[string]any{"pub": map[string]string{"data": publish.Data}})
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	}
	h.Handler.ServeHTTP(w, r)
}

// TestServersThatWrapTheirEventsCanBeTested: they could not, because the data of an event is not what was published.
func TestServersThatWrapTheirEventsCanBeTested(t *testing.T) {
	t.Parallel()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(log, &hub.Options{Heartbeat: 200 * time.Millisecond, HeartbeatMin: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wrapping{h})
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	url := server.URL + "/events/news"
	s := Server{URL: url, Publish: url, Body: `{"channel": "news", "data": {text}}`, Field: "pub.data", Idle: time.Minute, Wait: time.Minute}
	results, err := RunServer(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Fault != nil {
			t.Errorf("%s: %v", r.Case, r.Fault)
		}
	}
	// Events without the field are none of the publisher's.
	for data, want := range map[string]string{`{"pub": {"data": "a"}}`: "a", `{"connect": {}}`: "none", `{"pub": 1}`: "none", "a": "none", `{"pub": {"data": 1}}`: "none"} {
		text, ok := s.text(data)
		if !ok {
			text = "none"
		}
		if text != want {
			t.Errorf("%s: %s, want %s", data, text, want)
		}
	}
}
