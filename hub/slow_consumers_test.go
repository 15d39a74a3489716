package hub_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// openUnread opens a stream that nothing reads except the test.
func (s *site) openUnread(path string, header map[string]string) *http.Response {
	s.Helper()
	resp, err := s.do(s.Context(), request{path: path, header: header})
	if err != nil {
		s.Fatal(err)
	}
	atEnd(s.T, resp.Body, func(body io.ReadCloser) { _ = body.Close() })
	return resp
}

// TestSlowConsumerBehindTheWindowMissesNothing: it gets from the log the events that are no longer in the window.
func TestSlowConsumerBehindTheWindowMissesNothing(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Window: 100_000, WriteTimeout: patience}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		const n, size = 200, 100_000 // more than sockets and flow control hold
		filler := strings.Repeat("x", size)
		for i := range n {
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(i) + filler})
		}
		d := sse.NewDecoder(resp.Body, nil)
		for i := 0; i < n; {
			if !d.Next() {
				s.Fatalf("the stream ends after %d: %v", i, d.Err())
			}
			switch e := d.Event(); {
			case e.Type == "tidings.checkpoint":
			case e.Data != fmt.Sprint(i)+filler:
				s.Fatalf("event %d is %s %.20q", i, e.Type, e.Data)
			default:
				i++
			}
		}
	})
}

// TestSlowConsumerBehindRetentionGetsAGap: the retained events follow the gap.
func TestSlowConsumerBehindRetentionGetsAGap(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Count: 3}}}})
			s := serve(t, log, &hub.Options{Window: 1, WriteTimeout: patience}, how)
			resp := s.openUnread("/events/news", nil)
			const n, size = 300, 100_000
			filler := strings.Repeat("x", size)
			for i := range n {
				s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(i) + filler})
			}
			d := sse.NewDecoder(resp.Body, nil)
			next, gaps := 0, 0
			for next < n {
				if !d.Next() {
					t.Fatalf("the stream ends after %d: %v", next, d.Err())
				}
				e := d.Event()
				switch e.Type {
				case "tidings.gap":
					var g gap
					if err := json.Unmarshal([]byte(e.Data), &g); err != nil || g.Reason != "trimmed" {
						t.Fatalf("%s: %v", e.Data, err)
					}
					to, err := eventlog.ParsePosition(g.To)
					if err != nil {
						t.Fatal(err)
					}
					gaps, next = gaps+1, int(to.Seq)
				case sse.DefaultType:
					if want := fmt.Sprint(next) + filler; e.Data != want {
						t.Fatalf("event %d is %.20q", next, e.Data)
					}
					next++
				}
			}
			if gaps == 0 {
				t.Error("the subscriber got no gap")
			}
		})
	}
}

// TestStalledSubscriberIsDisconnected: it reconnects and misses nothing.
func TestStalledSubscriberIsDisconnected(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{WriteTimeout: 50 * time.Millisecond}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		d := sse.NewDecoder(resp.Body, nil)
		if !d.Next() || d.Event().Type != "tidings.checkpoint" {
			s.Fatalf("the stream begins with %+v, %v", d.Event(), d.Err())
		}
		at, got := d.Event().ID, 0 // without a position it would get only new events
		const n, size = 300, 100_000
		filler := strings.Repeat("x", size)
		for i := range n {
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(i) + filler})
		}
		await(s.T, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
		for {
			for got < n && d.Next() {
				e := d.Event()
				if at = e.ID; e.Type == "tidings.checkpoint" {
					continue
				}
				if e.Data != fmt.Sprint(got)+filler {
					s.Fatalf("event %d is %s %.20q", got, e.Type, e.Data)
				}
				got++
			}
			if got == n {
				return
			}
			// On a busy machine 50 ms may pass before the client reads, even before it has the header. The hub then disconnects it again.
			resp, err := s.do(s.Context(), request{path: "/events/news", header: map[string]string{"Last-Event-ID": at}})
			if err != nil {
				if s.Context().Err() != nil {
					s.Fatal(err)
				}
				continue
			}
			atEnd(s.T, resp.Body, func(body io.ReadCloser) { _ = body.Close() })
			d = sse.NewDecoder(resp.Body, nil)
		}
	})
}
