package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is a collector of OpenTelemetry.
type spans struct {
	mu  sync.Mutex
	all collector.ExportTraceServiceRequest
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.ResourceSpans = append(s.all.ResourceSpans, sent.ResourceSpans...)
}

// TestPublishIsPartOfItsCallersTrace: the collector of the environment gets a span for it, and none for a stream or a poll.
func TestPublishIsPartOfItsCallersTrace(t *testing.T) {
	sent := &spans{}
	at := httptest.NewServer(sent)
	defer at.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", at.URL) // for the library
	t.Setenv("OTEL_SERVICE_NAME", "news")
	hub := startServe(t, environ{"OTEL_EXPORTER_OTLP_ENDPOINT=" + at.URL})

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hub.url+"/events/news", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, body := ask(t, http.DefaultClient, http.MethodGet, hub.url+"/events/news?poll=1&since=earliest", ""); body == "" {
		t.Error("the poll is empty")
	}
	hub.stop() // sends what has not been sent yet

	sent.mu.Lock()
	defer sent.mu.Unlock()
	n := 0
	for _, resource := range sent.all.ResourceSpans {
		names := map[string]string{}
		for _, a := range resource.Resource.Attributes {
			names[a.Key] = a.Value.GetStringValue()
		}
		if names["service.name"] != "news" || names["service.version"] == "" {
			t.Errorf("the service is %v", names)
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				n++
				attributes := map[string]string{}
				for _, a := range span.Attributes {
					attributes[a.Key] = a.Value.GetStringValue()
				}
				if span.Name != "POST /events" || string(span.TraceId) != "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c" ||
					string(span.ParentSpanId) != "\xb7\xad\x6b\x71\x69\x20\x33\x31" || attributes["tidings.request.id"] != resp.Header.Get("X-Request-Id") {
					t.Errorf("the span is %v", span)
				}
			}
		}
	}
	if n != 1 {
		t.Errorf("%d spans", n)
	}
}

// TestTracesThatAreOffCostNothing: without a collector there is no handler around the hub, and no goroutine.
func TestTracesThatAreOffCostNothing(t *testing.T) {
	for _, env := range []environ{
		nil,
		{"OTEL_SERVICE_NAME=news"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318", "OTEL_SDK_DISABLED=true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318", "OTEL_TRACES_EXPORTER=none"},
	} {
		traces, err := startTraces(t.Context(), env, slog.New(slog.DiscardHandler))
		if err != nil || traces != nil {
			t.Fatalf("%q: %v, %v", env, traces, err)
		}
		calls := 0
		front := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ })
		handler := traces.handler(front)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/events/news", http.NoBody)
		w := httptest.NewRecorder()
		if n := testing.AllocsPerRun(100, func() { handler.ServeHTTP(w, r) }); n != 0 || calls == 0 {
			t.Errorf("%q: %v allocations a request", env, n)
		}
		traces.stop(t.Context(), slog.New(slog.DiscardHandler))
	}
}
