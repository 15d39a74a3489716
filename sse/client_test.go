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

// answer handles one request of a test's server.
type answer func(w http.ResponseWriter, r *http.Request)

// stream responds with an event stream that ends cleanly after text.
func stream(text string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
	}
}

// then returns an answer that runs a, flushes, and runs b.
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

// lifeLog records a client's changes of state as text.
type lifeLog []string

func (l *lifeLog) observe(state sse.State, f *sse.Failure) {
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

func TestTemporaryRefusalsAreRetried(t *testing.T) {
	answers := []answer{status(500), status(503), status(429), status(408), stream("data: a\n\n"), status(502)}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		data, err := collect(c.Subscribe(get(t.Context())))
		if err != nil || !slices.Equal(data, []string{"a"}) {
			t.Errorf("got %q, %v", data, err)
		}
		second := time.Second
		// The event resets the count: the end of its stream is the first consecutive failure, the 502 the second.
		if got, want := s.waits(), []time.Duration{second, 2 * second, 4 * second, 8 * second, second, 2 * second}; !slices.Equal(got, want) {
			t.Errorf("the client waited %v, want %v", got, want)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server, c *sse.Client) {
		date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		s.answers = []answer{status(503, "Retry-After", "20"), status(429, "Retry-After", date), status(503, "Retry-After", "4000000000"), status(503, "Retry-After", "soon")}
		if _, err := collect(c.Subscribe(get(t.Context()))); err != nil {
			t.Error(err)
		}
		// Jitter may add up to a tenth. The date is 90 s after the start, and 20 to 22 s have passed. An invalid value
		// leaves the backoff of the fourth consecutive failure.
		hour := float64(time.Hour)
		wants := [][2]float64{{20e9, 22e9}, {68e9, 77e9}, {hour, hour * 1.1}, {8e9, 8e9}}
		for i, got := range s.waits() {
			if float64(got) < wants[i][0] || float64(got) > wants[i][1] {
				t.Errorf("wait %d was %v, want %v", i, got, wants[i])
			}
		}
	})
}

func TestServerRetryReplacesTheBase(t *testing.T) {
	answers := []answer{stream("retry: 5000\n"), status(503), stream("retry: 0\n\ndata: a\n\n"), stream("data: b\n\n"), stream("retry: 99999999999999999999\n")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		data, err := collect(c.Subscribe(get(t.Context())))
		if err != nil || !slices.Equal(data, []string{"a", "b"}) {
			t.Errorf("got %q, %v", data, err)
		}
		want := []time.Duration{5 * time.Second, 10 * time.Second, 10 * time.Millisecond, 10 * time.Millisecond, time.Hour}
		if got := s.waits(); !slices.Equal(got, want) {
			t.Errorf("the client waited %v, want %v", got, want)
		}
	})
}

func TestZeroRetryDoesNotCauseATightLoop(t *testing.T) {
	b := sse.Backoff{Jitter: -1}
	for attempt, want := range map[int]time.Duration{1: 0, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 100: 30 * time.Second} {
		if got := sse.DelayAfter(b, &sse.Failure{Attempt: attempt}).Delay; got != want {
			t.Errorf("after %d failures the delay is %v, want %v", attempt, got, want)
		}
	}
}

// TestOtherRequestsRetryAtTheSamePace: [sse.Backoff.Delay] is the delay of a client that no server asked to wait.
func TestOtherRequestsRetryAtTheSamePace(t *testing.T) {
	b := sse.Backoff{Base: 2 * time.Second, Max: 10 * time.Second, Jitter: -1}
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 4: 10 * time.Second, 1000: 10 * time.Second} {
		client := sse.DelayAfter(b, &sse.Failure{Attempt: failures, Retry: b.Base}).Delay
		if got := b.Delay(failures); got != want || got != client {
			t.Errorf("after %d failures the delay is %v, want %v; that of a client is %v", failures, got, want, client)
		}
	}
	if d := (sse.Backoff{}).Delay(1); d < time.Second || d > 1500*time.Millisecond {
		t.Errorf("by default the first delay is %v", d)
	}
}

func TestExtremeBackoffsStillWait(t *testing.T) {
	for _, b := range []sse.Backoff{
		{Max: 1<<63 - 1, Factor: 1e308, Jitter: 1e308}, {Base: 1<<63 - 1}, {Base: -1, Max: -1, Factor: -1}, {Factor: 1e-300},
	} {
		for _, attempt := range []int{1, 2, 1e6, 1<<63 - 1} {
			f := sse.DelayAfter(b, &sse.Failure{Attempt: attempt, Retry: 1<<63 - 1})
			if f.Delay < time.Minute {
				t.Errorf("%+v after %d failures waits %v", b, attempt, f.Delay)
			}
		}
	}
}

func TestJitterOnlyAdds(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		f := sse.DelayAfter(sse.Backoff{Jitter: 0.25}, &sse.Failure{Attempt: 1, Retry: 8 * time.Second})
		if f.Delay < 8*time.Second || f.Delay > 10*time.Second {
			t.Fatalf("the delay is %v", f.Delay)
		}
		seen[f.Delay] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 delays had %d values", len(seen))
	}
}

func TestWHATWGWaitsExactlyAndStopsOnRefusal(t *testing.T) {
	answers := []answer{stream("retry: 7000\n\ndata: a\n\n"), stream("data: b\n\n").then(cut), cut, cut, status(503, "Retry-After", "1")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		c.Recover = sse.WHATWG
		data, err := collect(c.Subscribe(get(t.Context())))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		if !ok || refusal.StatusCode != 503 || !slices.Equal(data, []string{"a", "b"}) {
			t.Errorf("got %q, %v", data, err)
		}
		seven := 7 * time.Second
		if got := s.waits(); !slices.Equal(got, []time.Duration{seven, seven, seven, seven}) {
			t.Errorf("the client waited %v", got)
		}
	})
}

func TestSilentConnectionIsReplaced(t *testing.T) {
	tests := map[string]answer{
		"while connecting":  hold,
		"before any event":  stream("").then(hold),
		"after an event":    stream("data: a\n\n").then(hold),
		"inside an event":   stream("data: a\n\ndata: ").then(hold),
		"in a refusal body": status(503).then(hold),
	}
	for name, silent := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{silent}, func(t *testing.T, s *server, c *sse.Client) {
				var life lifeLog
				c.IdleTimeout, c.Observe = 40*time.Second, life.observe
				if _, err := collect(c.Subscribe(get(t.Context()))); err != nil {
					t.Error(err)
				}
				want := 41 * time.Second
				if name == "in a refusal body" {
					want = 6 * time.Second // the client waits at most 5 s for the body of a refusal
				} else if !slices.Contains(life, "connecting: "+sse.ErrIdle.Error()) {
					t.Errorf("the states were %q", life)
				}
				if got := s.waits(); !slices.Equal(got, []time.Duration{want}) {
					t.Errorf("the client reconnected after %v, want %v", got, want)
				}
			})
		})
	}
}

func TestCommentsAndSlowConsumersAreNotIdle(t *testing.T) {
	comments := func(w http.ResponseWriter, r *http.Request) {
		for range 10 {
			time.Sleep(30 * time.Second) // the bubble's clock
			fmt.Fprint(w, ":\n")
			_ = http.NewResponseController(w).Flush() // a failure shows as a missing comment
		}
	}
	inBubble(t, []answer{stream("data: a\n\n").then(comments).then(stream("data: b\n\n"))}, func(t *testing.T, s *server, c *sse.Client) {
		c.IdleTimeout = 40 * time.Second
		received := 0
		c.Comment = func([]byte) { received++ }
		for _, err := range c.Subscribe(get(t.Context())) {
			if err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // a consumer slower than the timeout
		}
		if len(s.header("")) != 2 || received != 10 {
			t.Errorf("%d requests, %d comments", len(s.header("")), received)
		}
	})
}

func TestCanceledContextEndsTheSequenceAtOnce(t *testing.T) {
	tests := map[string]answer{
		"while connecting": hold,
		"while reading":    stream("").then(hold),
		"while waiting":    status(503, "Retry-After", "1000"),
		"in a refusal":     status(404).then(hold),
	}
	for name, first := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{first}, func(t *testing.T, s *server, c *sse.Client) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				data, err := collect(c.Subscribe(get(ctx)))
				if !errors.Is(err, context.DeadlineExceeded) || len(data) > 0 || time.Since(begin) != time.Second {
					t.Errorf("after %v: %q, %v", time.Since(begin), data, err)
				}
			})
		})
	}
}

func TestNothingIsYieldedAfterCancellation(t *testing.T) {
	inBubble(t, []answer{stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		source := c.Open(get(ctx))
		n := 0
		for event, err := range source.Events() {
			if n++; n == 1 && (err != nil || event.Data != "a") || n == 2 && !errors.Is(err, context.Canceled) || n > 2 {
				t.Errorf("element %d is %v, %v", n, event, err)
			}
			cancel()
		}
		if n != 2 || source.LastEventID() != "1" || source.State() != sse.Closed {
			t.Errorf("%d elements, position %q, state %v", n, source.LastEventID(), source.State())
		}
	})
}

func TestBreakClosesTheConnection(t *testing.T) {
	disconnected := make(chan struct{})
	first := stream("data: a\n\n").then(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(disconnected)
	})
	inBubble(t, []answer{first}, func(t *testing.T, s *server, c *sse.Client) {
		var life lifeLog
		c.Observe = life.observe
		for event, err := range c.Subscribe(get(t.Context())) {
			if err != nil || event.Data != "a" {
				t.Errorf("got %v, %v", event, err)
			}
			break
		}
		<-disconnected
		if !slices.Equal(life, []string{"connecting", "open", "closed"}) {
			t.Errorf("the states were %q", life)
		}
	})
}

func TestStatesAreObservedInOrder(t *testing.T) {
	answers := []answer{stream("data: a\n\n"), status(503), stream("data: b\n"), status(404)}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		var life lifeLog
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

func TestRestartReconnectsAtOnce(t *testing.T) {
	answers := []answer{stream("id: 1\ndata: a\n\n").then(hold), status(503, "Retry-After", "3000"), stream("data: b\n\n")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		var source *sse.Source
		begin := time.Now()
		c.Observe = func(state sse.State, f *sse.Failure) {
			if f != nil {
				source.Restart() // before the delay of 3000 s begins
			}
		}
		source = c.Open(get(t.Context()))
		source.Restart() // does nothing before the range
		var data []string
		for event, err := range source.Events() {
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, event.Data)
			if event.Data == "a" {
				source.Restart()
			}
		}
		source.Restart() // does nothing after the range
		if !slices.Equal(data, []string{"a", "b"}) || time.Since(begin) > 10*time.Second {
			t.Errorf("after %v: %q", time.Since(begin), data)
		}
		if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"", "1", "1", "1"}) {
			t.Errorf("Last-Event-ID was %q", got)
		}
	})
}

func TestCloseEndsWithoutAnError(t *testing.T) {
	t.Run("while reading", func(t *testing.T) {
		inBubble(t, []answer{stream("data: a\n\ndata: b\n\n").then(hold)}, func(t *testing.T, s *server, c *sse.Client) {
			source := c.Open(get(t.Context()))
			for event, err := range source.Events() {
				if err != nil || event.Data != "a" {
					t.Errorf("got %v, %v", event, err)
				}
				source.Close()
				source.Close()
			}
			if source.State() != sse.Closed {
				t.Errorf("the state is %v", source.State())
			}
		})
	})
	t.Run("from elsewhere", func(t *testing.T) {
		inBubble(t, []answer{hold}, func(t *testing.T, s *server, c *sse.Client) {
			source := c.Open(get(t.Context()))
			time.AfterFunc(time.Minute, source.Close)
			if data, err := collect(source.Events()); len(data) > 0 || err != nil {
				t.Errorf("got %q, %v", data, err)
			}
		})
	})
	t.Run("before the range", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, s *server, c *sse.Client) {
			source := c.Open(get(t.Context()))
			source.Close()
			if data, err := collect(source.Events()); len(data) > 0 || err != nil || len(s.header("")) > 0 {
				t.Errorf("got %q, %v, and %d requests", data, err, len(s.header("")))
			}
		})
	})
}

func post(ctx context.Context, body string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server.test/ask", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return req
}

func TestAPostIsNeverRepeatedBySurprise(t *testing.T) {
	tests := map[string]struct {
		answer answer
		fails  bool
	}{
		"clean end": {stream("data: a\n\n"), false},
		"cut":       {stream("data: a\n\n").then(cut), true},
		"truncated": {stream("data: a\n\ndata: b\n"), true},
		"503":       {status(503), true},
		"refused":   {cut, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{test.answer}, func(t *testing.T, s *server, c *sse.Client) {
				_, err := collect(c.Subscribe(post(t.Context(), "question")))
				if (err != nil) != test.fails || len(s.bodies) != 1 {
					t.Errorf("%d requests, %v", len(s.bodies), err)
				}
			})
		})
	}
}

func TestRepeatSendsTheWholePostAgain(t *testing.T) {
	inBubble(t, []answer{stream("id: 1\ndata: a\n\n"), status(503), stream("data: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		c.Repeat = true
		data, err := collect(c.Subscribe(post(t.Context(), "question")))
		if err != nil || !slices.Equal(data, []string{"a", "b"}) {
			t.Errorf("got %q, %v", data, err)
		}
		if !slices.Equal(s.bodies, []string{"question", "question", "question", "question"}) {
			t.Errorf("the bodies were %q", s.bodies)
		}
	})
}

// closing is a body that records whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestRequestBodyIsUsedAndClosed(t *testing.T) {
	inBubble(t, []answer{stream("data: a\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		req := post(t.Context(), "x")
		own := &closing{Reader: strings.NewReader("x")}
		req.Body = own
		if _, err := collect(c.Subscribe(req)); err != nil || !own.closed || s.bodies[0] != "x" {
			t.Errorf("closed %v, sent %q, %v", own.closed, s.bodies, err)
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

func TestUnusableRequestIsRefusedBeforeItIsSent(t *testing.T) {
	request := func(method, url string, body io.Reader) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	once := request("POST", "http://x.test", io.MultiReader(strings.NewReader("x")))
	control := request("GET", "http://x.test", nil)
	control.Header["X-Bad"] = []string{"a\nb"}
	name := request("GET", "http://x.test", nil)
	name.Header["X Bad"] = []string{"a"}
	tests := map[string]*http.Request{
		"another scheme":                  request("GET", "ftp://x.test/", nil),
		"no scheme":                       request("GET", "localhost/events", nil),
		"no host":                         request("GET", "http:///events", nil),
		"port without a host":             request("GET", "http://:3000/events", nil),
		"port that does not exist":        request("GET", "http://x.test:99999/events", nil),
		"body without GetBody":            once,
		"control character in a header":   control,
		"header name that is not a token": name,
	}
	for name, req := range tests {
		t.Run(name, func(t *testing.T) {
			c := sse.Client{Repeat: true}
			_, err := collect(c.Subscribe(req))
			if _, ok := errors.AsType[*sse.RequestError](err); !ok {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := collect(sse.Subscribe(t.Context(), "http://[::1")); err == nil {
		t.Error("a broken URL gave no error")
	}
}
