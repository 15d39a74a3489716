package hub_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestUnopenedHubRefusesTemporarily: while its log opens, the hub answers health checks and refuses other requests. EventSource gets
// tidings.retry, because it would give up after a 503.
func TestUnopenedHubRefusesTemporarily(t *testing.T) {
	h, err := hub.Prepare(&hub.Options{AdminElsewhere: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport = checked{client.Transport.(*http.Transport), t}
	s := &site{T: t, hub: h, url: server.URL, client: client}
	page := map[string]string{"Sec-Fetch-Mode": "cors"}
	resumes := map[string]string{"Last-Event-ID": "abcde-7"}
	lines := map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "application/x-ndjson"}

	for name, c := range map[string]struct {
		request
		status int
		body   string
	}{
		"is it alive":           {request{path: "/healthz"}, 200, `"healthy":true`},
		"is it ready":           {request{path: "/readyz"}, 503, "problem:not-ready"},
		"publishing":            {request{path: "/events/news", body: "hello"}, 503, "problem:not-ready"},
		"publishing a stream":   {request{path: "/events/news", reader: struct{ *strings.Reader }{strings.NewReader("hello")}}, 503, "problem:not-ready"},
		"following":             {request{path: "/events/news"}, 503, "problem:not-ready"},
		"following from a page": {request{path: "/events?topic=news", header: page}, 200, "event: tidings.retry\n"},
		"resuming":              {request{path: "/events", header: resumes}, 200, "event: tidings.retry\n"},
		"lines, from a page":    {request{path: "/events", header: lines}, 200, `"type":"tidings.retry"`},
		"a query, from a page":  {request{method: "QUERY", path: "/events", body: "topic=news", header: page}, 200, "event: tidings.retry\n"},
		"a head":                {request{method: http.MethodHead, path: "/events/news", header: page}, 503, ""},
		"topics":                {request{path: "/api/v1/topics"}, 503, "problem:not-ready"},
		"an unknown path":       {request{path: "/nothing"}, 404, "problem:not-found"},
	} {
		a := s.send(c.request)
		if a.status != c.status || !strings.Contains(a.body, c.body) {
			t.Errorf("%s: %d %s, want %d and %s", name, a.status, a.body, c.status, c.body)
		}
		if c.status == 503 && a.header.Get("Retry-After") == "" {
			t.Errorf("%s: there is no Retry-After: %v", name, a.header)
		}
	}
	admin := httptest.NewServer(h.Admin())
	t.Cleanup(admin.Close)
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 503, "/api/v1/stats": 503} {
		if a := (&site{T: t, url: admin.URL, client: admin.Client()}).send(request{path: path}); a.status != status {
			t.Errorf("%s for administrators: %d %s", path, a.status, a.body)
		}
	}
	if _, err := h.Publish(t.Context(), hub.Event{Topics: []string{"news"}}); err == nil || !strings.Contains(err.Error(), "not-ready") {
		t.Errorf("Publish returns %v", err)
	}

	if err := h.Open(t.Context(), mustMemory(t, nil)); err != nil {
		t.Fatal(err)
	}
	if a := s.send(request{path: "/readyz"}); a.status != 200 {
		t.Errorf("with its log open the hub is not ready: %d %s", a.status, a.body)
	}
	s.post("news", "hello")
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestUnopenedHubShutsDown: it does not wait for a log.
func TestUnopenedHubShutsDown(t *testing.T) {
	h, err := hub.Prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "problem:draining") {
		t.Errorf("a hub that was shut down answers %d %s", w.Code, w.Body)
	}
}

// TestReadyzSaysWhatAHubWaitsForBeforeItsLogIsOpen, and no other path does, because the reason names other hubs.
func TestReadyzSaysWhatAHubWaitsForBeforeItsLogIsOpen(t *testing.T) {
	reason := ""
	h, err := hub.Prepare(&hub.Options{Cluster: &hub.ClusterOptions{Name: "a", Waiting: func() string { return reason }}})
	if err != nil {
		t.Fatal(err)
	}
	detail := func(path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s answers %d", path, w.Code)
		}
		return w.Body.String()
	}
	if text := detail("/readyz"); !strings.Contains(text, "is opening its log") {
		t.Errorf("without a reason: %s", text)
	}
	reason = "waiting for one of b, c: 2 of 3 hubs are needed"
	if text := detail("/readyz"); !strings.Contains(text, reason) {
		t.Errorf("/readyz says %s", text)
	}
	if text := detail("/events/news"); strings.Contains(text, "waiting for") {
		t.Errorf("a subscriber reads %s", text)
	}
}
