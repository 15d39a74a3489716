package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
)

// answer is a handler for one request to a test's server.
type answer func(w http.ResponseWriter, r *http.Request)

// stream responds with an event stream that ends cleanly after text.
func stream(text string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
	}
}

// then returns an answer that runs a, flushes the response, and runs b.
func (a answer) then(b answer) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		a(w, r)
		_ = http.NewResponseController(w).Flush() // fails if the client has disconnected, which some tests intend
		b(w, r)
	}
}

func cut(w http.ResponseWriter, r *http.Request)  { panic(http.ErrAbortHandler) }
func hold(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func status(code int, header ...string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			fmt.Fprintf(w, "this is %d", code)
		}
	}
}

// server answers each request with the next of its answers, and with 204 when none is left. It records the requests.
type server struct {
	mu       sync.Mutex
	answers  []answer
	requests []*http.Request
	bodies   []string
	times    []time.Time
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	s.times = append(s.times, time.Now())
	next := status(http.StatusNoContent)
	if len(s.answers) > 0 {
		next, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	next(w, r)
}

func (s *server) header(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values []string
	for _, r := range s.requests {
		values = append(values, r.Header.Get(name))
	}
	return values
}

// waits returns the times between consecutive requests.
func (s *server) waits() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waits []time.Duration
	for i := 1; i < len(s.times); i++ {
		waits = append(waits, s.times[i].Sub(s.times[i-1]))
	}
	return waits
}

// stateLog records a client's changes of state as text.
type stateLog []string

func (l *stateLog) observe(state sse.State, f *sse.Failure) {
	text := state.String()
	if f != nil {
		text += ": " + f.Err.Error()
	}
	*l = append(*l, text)
}

func get(ctx context.Context) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test/events", nil)
	if err != nil {
		panic(err)
	}
	return req
}

// collect returns the data of all events, and the last error.
func collect(events func(func(sse.Event, error) bool)) (data []string, err error) {
	for event, e := range events {
		if e != nil {
			err = e
			continue
		}
		data = append(data, event.Data)
	}
	return data, err
}

// inBubble runs a test with a server and a client in a synctest bubble, where time passes only while all goroutines
// wait.
func inBubble(t *testing.T, answers []answer, test func(t *testing.T, s *server, c *sse.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answers: answers}
		test(t, s, &sse.Client{HTTP: serve(t, s), Backoff: sse.Backoff{Jitter: -1}})
	})
}

func TestSubscribeYieldsEvents(t *testing.T) {
	inBubble(t, []answer{stream("id: 1\ndata: a\n\nevent: x\ndata: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		var got []sse.Event
		for event, err := range c.Subscribe(get(t.Context())) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, event)
		}
		want := []sse.Event{{Type: "message", Data: "a", ID: "1"}, {Type: "x", Data: "b", ID: "1"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if accept, cache := s.header("Accept")[0], s.header("Cache-Control")[0]; accept != "text/event-stream" || cache != "no-cache" {
			t.Errorf("the request has Accept %q, Cache-Control %q", accept, cache)
		}
	})
}

func TestClientReconnectsAfterAnyEndOfAStream(t *testing.T) {
	ends := map[string]answer{
		"clean":          stream("id: 1\ndata: a\n\n"),
		"inside event":   stream("id: 1\ndata: a\n\nid: 2\ndata: lost\n"),
		"broken":         stream("id: 1\ndata: a\n\n").then(cut),
		"broken inside":  stream("id: 1\ndata: a\n\nid: 2\nda").then(cut),
		"id behind data": stream("id: 0\ndata: a\n\nid: 1\n\n"),
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{end, stream("data: b\n\n"), stream("data: c\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
				data, err := collect(c.Subscribe(get(t.Context())))
				if err != nil || !slices.Equal(data, []string{"a", "b", "c"}) {
					t.Errorf("got %q, %v", data, err)
				}
				// The second stream has no ID, so the ID of the first stream remains.
				if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"", "1", "1", "1"}) {
					t.Errorf("Last-Event-ID was %q", got)
				}
				if got := s.waits(); !slices.Equal(got, []time.Duration{time.Second, time.Second, time.Second}) {
					t.Errorf("the client waited %v", got)
				}
			})
		})
	}
}

func TestInitialLastEventIDIsSentAndKept(t *testing.T) {
	inBubble(t, []answer{stream("data: a\n\n"), stream("id\ndata: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		req := get(t.Context())
		req.Header.Set("Last-Event-ID", "näch-7")
		if _, err := collect(c.Subscribe(req)); err != nil {
			t.Error(err)
		}
		if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"näch-7", "näch-7", ""}) {
			t.Errorf("Last-Event-ID was %q", got)
		}
	})
}

func TestUnsendableIDDoesNotPreventReconnection(t *testing.T) {
	for name, id := range map[string]string{"control": "a\x01b", "delete": "\x7f", "endless": strings.Repeat("9", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{stream("id: " + id + "\ndata: a\n\n"), stream("data: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
				data, err := collect(c.Subscribe(get(t.Context())))
				if err != nil || !slices.Equal(data, []string{"a", "b"}) {
					t.Errorf("got %q, %v", data, err)
				}
				if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"", "", ""}) {
					t.Errorf("Last-Event-ID was %.100q", got)
				}
			})
		})
	}
}

func TestPermanentRefusalEndsTheSubscription(t *testing.T) {
	tests := map[string]struct {
		answer answer
		status int
		reason string
	}{
		"404":        {status(404), 404, "404 Not Found"},
		"401":        {status(401), 401, "401 Unauthorized"},
		"206":        {status(206, "Content-Type", "text/event-stream"), 206, "206"},
		"302":        {status(302), 302, "302 Found"},
		"501":        {status(501), 501, "501 Not Implemented"},
		"505":        {status(505), 505, "505"},
		"506":        {status(506), 506, "506"},
		"508":        {status(508), 508, "508"},
		"510":        {status(510), 510, "510"},
		"HTML":       {status(200, "Content-Type", "text/html"), 200, `"text/html"`},
		"no type":    {status(200, "Content-Type", ""), 200, `content type ""`},
		"compressed": {status(200, "Content-Type", "text/event-stream", "Content-Encoding", "br"), 200, `coding "br"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{test.answer}, func(t *testing.T, s *server, c *sse.Client) {
				_, err := collect(c.Subscribe(get(t.Context())))
				refusal, ok := errors.AsType[*sse.ResponseError](err)
				if !ok || refusal.StatusCode != test.status || !strings.HasPrefix(string(refusal.Body), "this is") || !strings.Contains(err.Error(), test.reason) {
					t.Errorf("the error is %v", err)
				}
				if len(s.header("")) != 1 {
					t.Error("the client reconnected")
				}
			})
		})
	}
}

func TestStatesAreObservedInOrder(t *testing.T) {
	answers := []answer{stream("data: a\n\n"), status(503), stream("data: b\n"), status(404)}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		var life stateLog
		c.Observe = life.observe
		_, err := collect(c.Subscribe(get(t.Context())))
		want := []string{
			"connecting", "open",
			"connecting: sse: the server ended the stream",
			`connecting: sse: the server answered 503 Service Unavailable instead of 200: "this is 503"`, "open",
			"connecting: sse: the stream ended inside the event that began at byte 0; the event was discarded",
			`closed: sse: the server answered 404 Not Found instead of 200: "this is 404"`,
		}
		if diff := cmp.Diff(want, []string(life)); diff != "" || err == nil {
			t.Errorf("the error is %v, the states differ: %s", err, diff)
		}
	})
}

func TestSourceYieldsItsEventsOnce(t *testing.T) {
	inBubble(t, []answer{stream("data: a\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		source := c.Open(get(t.Context()))
		for range source.Events() {
			if _, err := collect(source.Events()); !errors.Is(err, sse.ErrUsed) {
				t.Errorf("the second range gives %v", err)
			}
		}
	})
}
