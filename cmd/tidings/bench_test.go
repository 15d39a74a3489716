package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// startHub starts a hub that keeps its events in memory.
func startHub(t *testing.T) (url string) {
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
		server.CloseClientConnections()
		if err := h.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		server.Close()
	})
	return server.URL
}

func TestBenchFindsNoFaultInTheHub(t *testing.T) {
	url := startHub(t)
	for _, line := range []string{
		"--subscribers 20 --topics 4 --publishers 2 --rate 200",
		"--subscribers 20 --churn 100 --rate 200",
		"--subscribers 5 --rate 0 --batch 10",
		"--subscribers 5 --topics 2 --returning 10 --missed 20",
		"--subscribers 5 --slow 5 --slow-bytes 0",
		"--subscribers 5 --publishers 0",
	} {
		code, out, complaint := say(t, append([]string{"bench", "--hub", url, "--duration=200ms", "--warm-up=50ms"}, strings.Fields(line)...)...)
		if code != 0 || complaint != "" || !strings.Contains(out, "0 lost, 0 twice, 0 out of order, 0 misrouted") {
			t.Errorf("tidings bench %s: exit code %d, standard error %q, output\n%s", line, code, complaint, out)
		}
	}
}

// TestBenchReportsAnInterruption: Ctrl-C gave "context canceled" while connecting. Later it gave exit code 0, or reported losses that had not
// happened.
func TestBenchReportsAnInterruption(t *testing.T) {
	posted := make(chan struct{}, 100)
	for phase, handler := range map[string]http.HandlerFunc{
		"connecting": func(w http.ResponseWriter, r *http.Request) {
			posted <- struct{}{}
			<-r.Context().Done()
		},
		"measuring": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				posted <- struct{}{}
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		server := httptest.NewServer(handler)
		ctx, interrupt := context.WithCancel(t.Context())
		var out, complaint strings.Builder
		p := program{stdio: stdio{in: strings.NewReader(""), out: &out, err: &complaint}}
		ended := make(chan int)
		go func() {
			ended <- p.run(ctx, []string{"bench", "--hub", server.URL, "--subscribers=1", "--rate=20", "--duration=1h", "--warm-up=0s"})
		}()
		<-posted
		interrupt()
		if code := <-ended; code != exitInterrupted || complaint.String() != "tidings: interrupted\n" {
			t.Errorf("%s: exit code %d, %s", phase, code, complaint.String())
		}
		if phase == "measuring" && !strings.Contains(out.String(), "interrupted  after ") {
			t.Errorf("it prints\n%s", out.String())
		}
		server.CloseClientConnections()
		server.Close()
	}
}

// Programs depend on these names.
func TestBenchJSONKeepsItsNames(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	code, out, complaint := say(t, "bench", "--hub", startHub(t), "--subscribers", "5", "--returning", "5", "--slow", "1", "--duration=200ms", "--warm-up=0", "--pid", pid, "--json")
	if code != 0 || complaint != "" {
		t.Fatalf("exit code %d, standard error %q", code, complaint)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	for _, path := range []string{
		"seconds", "subscribers.connected", "subscribers.connects_per_second", "subscribers.connect_ms.p50",
		"published.events", "published.events_per_second", "published.refused", "published.answer_ms.p99",
		"delivered.events", "delivered.events_per_second", "delivered.lost", "delivered.duplicates", "delivered.out_of_order",
		"delivered.misrouted", "latency_ms.p99.9", "latency_ms.max", "histogram",
		"came_back.live", "came_back.seconds", "came_back.live_ms.p99", "came_back.lost", "slow.events",
		"hub.cpu_us_per_delivery", "hub.cpu_percent", "hub.rss_bytes_empty", "hub.rss_bytes_connected", "hub.rss_bytes_per_subscriber",
	} {
		if !hasPath(report, path) {
			t.Errorf("there is no %s in\n%s", path, out)
		}
	}
}

// hasPath reports whether a value exists at a path of names, which may contain dots.
func hasPath(v any, path string) bool {
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	if _, ok := object[path]; ok {
		return true
	}
	name, rest, found := strings.Cut(path, ".")
	return found && hasPath(object[name], rest)
}
