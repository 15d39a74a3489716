package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// withSlowBody runs a test in a synctest bubble. It connects to a hub and sends head, to which it adds the host and the length.
func withSlowBody(t *testing.T, head string, length int, f func(t *testing.T, log eventlog.Log, c *ssetest.Conn, readAnswer func() answer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := mustMemory(t, nil)
		h := mustHub(t, log, nil)
		listener := ssetest.NewListener()
		server := &http.Server{Handler: h}
		go func() { _ = server.Serve(listener) }() // until Close
		c, err := listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = c.Close()
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		}()
		mustWrite(t, c, fmt.Sprintf("%s\r\nHost: x\r\nContent-Length: %d\r\n\r\n", head, length))
		in := bufio.NewReader(c)
		f(t, log, c, func() answer {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer{resp.StatusCode, resp.Header, string(body)}
		})
	})
}

func mustWrite(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// TestSingleEventBodyTimesOutAfterOneMinute: bytes that arrive steadily do not extend the minute.
func TestSingleEventBodyTimesOutAfterOneMinute(t *testing.T) {
	t.Parallel()
	for _, head := range []string{
		"POST /events/news HTTP/1.1", "PUT /events/news?encoding=base64 HTTP/1.1", "POST /events/news HTTP/1.1\r\nContent-Type: image/png",
		"QUERY /events HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
	} {
		withSlowBody(t, head, 100, func(t *testing.T, log eventlog.Log, c *ssetest.Conn, readAnswer func() answer) {
			for range 6 {
				mustWrite(t, c, "x")
				time.Sleep(9 * time.Second) // in the bubble
			}
			begin := time.Now()
			refused(t, head, readAnswer(), http.StatusRequestTimeout, "timeout", "in time")
			if took := time.Since(begin); took != 6*time.Second {
				t.Errorf("%s: the hub waited for another %v, and 54s before", head, took)
			}
			wantEvents(t, log)
		})
	}
}

// TestStreamedBodyTimesOutOnlyWhenSilent: after five minutes of silence the hub answers with a problem. The complete events stay stored.
func TestStreamedBodyTimesOutOnlyWhenSilent(t *testing.T) {
	t.Parallel()
	for kind, event := range map[string]string{"application/x-ndjson": "{\"data\":\"x\"}\n", "text/event-stream": "data: x\n\n"} {
		withSlowBody(t, "POST /events/news?end=1 HTTP/1.1\r\nContent-Type: "+kind, 1000, func(t *testing.T, log eventlog.Log, c *ssetest.Conn, readAnswer func() answer) {
			for i := range 20 {
				mustWrite(t, c, event)
				time.Sleep(4 * time.Minute) // in the bubble
				if got := len(events(t, log)); got != i+1 {
					t.Fatalf("%d events are stored, and %d were sent", got, i+1)
				}
			}
			mustWrite(t, c, event[:5])
			begin := time.Now()
			p := refused(t, kind, readAnswer(), http.StatusRequestTimeout, "timeout", "the 20 events before it are stored")
			if took := time.Since(begin); took != 5*time.Minute || p.Stored == nil || *p.Stored != 20 || p.Last != log.Head().String() {
				t.Errorf("after %v of silence: %+v", took, p)
			}
			if got := len(events(t, log)); got != 20 {
				t.Errorf("the log has %d events", got)
			}
		})
	}
}

// TestSlowPublishersDelayNoOthers: bodies that never arrive do not slow down other publishers.
func TestSlowPublishersDelayNoOthers(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{}, transports[0])
	for i := range 100 {
		kind := []string{"text/plain", "application/x-ndjson", "text/event-stream"}[i%3]
		c := s.dial()
		c.write("POST /events/news?end=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: " + kind + "\r\n\r\n" + strings.Repeat("d", i))
		defer func() { _ = c.Close() }()
	}
	f := s.follow("/events/news", nil)
	for i := range 100 {
		s.post("news", fmt.Sprint(i))
	}
	f.want(numbers(0, 99)...)
}
