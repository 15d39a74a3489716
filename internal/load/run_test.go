package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// testHub is a minimal hub. It keeps all events of all topics, and subscribers can resume. It can inject faults.
type testHub struct {
	raw    bool                                     // respond without chunked encoding
	fault  func(subscriber int, events []int) []int // returns the events that a subscriber gets instead of the new ones
	refuse func(n int) bool                         // whether to refuse request number n to publish

	mu       sync.Mutex
	events   []string // guarded by mu
	posts    int
	streams  int
	news     chan struct{} // closed when there are new events
	finished chan struct{}
}

func newTestHub(t *testing.T, h *testHub) *testHub {
	h.news, h.finished = make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(h.finished) })
	return h
}

func (h *testHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.publish(w, r)
		return
	}
	h.mu.Lock()
	number, from := h.streams, len(h.events)
	h.streams++
	h.mu.Unlock()
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		n, err := strconv.Atoi(id)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from = n
	}
	w.Header().Set("Content-Type", "text/event-stream")
	var out io.Writer = w
	flush := func() { _ = http.NewResponseController(w).Flush() }
	if h.raw {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		out, flush = conn, func() {}
	}
	fmt.Fprintf(out, "id: %d\n\n", from) // gives a subscriber an ID to resume from before the first event
	flush()
	h.follow(r, out, flush, number, from)
}

func (h *testHub) follow(r *http.Request, out io.Writer, flush func(), number, from int) {
	topic := r.URL.Query().Get("topic")
	for {
		h.mu.Lock()
		var fresh []int
		for i := from; i < len(h.events); i++ {
			if strings.HasPrefix(h.events[i], topic+" ") {
				fresh = append(fresh, i)
			}
		}
		from = len(h.events)
		if h.fault != nil {
			fresh = h.fault(number, fresh)
		}
		var frames strings.Builder
		for _, i := range fresh {
			_, data, _ := strings.Cut(h.events[i], " ")
			fmt.Fprintf(&frames, "id: %d\ndata: %s\n\n", i+1, data)
		}
		news := h.news
		h.mu.Unlock()
		if _, err := io.WriteString(out, frames.String()); err != nil {
			return
		}
		flush()
		select {
		case <-news:
		case <-r.Context().Done():
			return
		case <-h.finished:
			return
		}
	}
}

func (h *testHub) publish(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.posts++
	if err != nil || h.refuse != nil && h.refuse(h.posts) {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		h.events = append(h.events, r.URL.Query().Get("topic")+" "+line)
	}
	close(h.news)
	h.news = make(chan struct{})
}

// testStallTimeout limits the wait for events that a faulty hub has lost. A correct hub must deliver within it, too.
const testStallTimeout = time.Second

// runAgainst runs o against a hub and returns the report.
func runAgainst(t *testing.T, h *testHub, o Options, start func(*httptest.Server)) *Report {
	t.Helper()
	server := httptest.NewUnstartedServer(newTestHub(t, h))
	start(server)
	t.Cleanup(server.CloseClientConnections)
	o.Subscribe, o.Publish = server.URL+"/?topic={topic}", server.URL+"/?topic={topic}"
	o.TLS, o.stallTimeout = &tls.Config{InsecureSkipVerify: true}, testStallTimeout
	if o.Duration == 0 {
		o.Duration = 300 * time.Millisecond
	}
	if o.Rate == 0 {
		o.Rate = 200
	}
	report, err := Run(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func startHTTP2(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

func startH2C(s *httptest.Server) {
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
}

// startFewStreams allows fewer streams on a connection than the run wants.
func startFewStreams(s *httptest.Server) {
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 3}
	startHTTP2(s)
}

// TestCorrectHubHasNoFaults measures a correct hub over each kind of connection.
func TestCorrectHubHasNoFaults(t *testing.T) {
	for name, test := range map[string]struct {
		start func(*httptest.Server)
		raw   bool
		o     Options
	}{
		"in chunks":     {(*httptest.Server).Start, false, Options{Topics: 3}},
		"without":       {(*httptest.Server).Start, true, Options{Topics: 3}},
		"TLS":           {(*httptest.Server).StartTLS, false, Options{}},
		"HTTP/2":        {startHTTP2, false, Options{Streams: 4}},
		"in batches":    {(*httptest.Server).Start, false, Options{Batch: 5, Publishers: 2}},
		"broken":        {(*httptest.Server).Start, false, Options{Churn: 100}},
		"HTTP/2 broken": {startHTTP2, false, Options{Churn: 100, Streams: 4}},
		"fewer streams": {startFewStreams, false, Options{Streams: 8}},
		"without TLS":   {startH2C, false, Options{Streams: 4, Topics: 3}},
		"slow readers":  {(*httptest.Server).Start, false, Options{Slow: 3, SlowBytes: 500}},
		"stuck readers": {(*httptest.Server).Start, false, Options{Slow: 3}},
		"a warm-up":     {(*httptest.Server).Start, false, Options{WarmUp: 50 * time.Millisecond, Connects: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.o
			o.Subscribers, o.Publishers = 9, max(o.Publishers, 1)
			o.Topics = max(o.Topics, 1)
			r := runAgainst(t, &testHub{raw: test.raw}, o, test.start)
			want := r.Published.Events * int64(o.Subscribers/o.Topics)
			if r.Faulty() || r.Published.Events == 0 || r.Subscribers.Connected != o.Subscribers+o.Slow {
				t.Errorf("%+v", r)
			}
			if o.Topics == 1 && r.Delivered.Events != want {
				t.Errorf("%d events were delivered, want %d", r.Delivered.Events, want)
			}
		})
	}
}

// TestFaultyHubIsDetected injects each fault, to show that TestCorrectHubHasNoFaults could fail.
func TestFaultyHubIsDetected(t *testing.T) {
	first := func(subscriber int, events []int) bool { return subscriber == 0 && len(events) > 0 }
	for name, test := range map[string]struct {
		fault func(subscriber int, events []int) []int
		found func(d Delivered) bool
	}{
		"it loses": {func(s int, events []int) []int {
			if first(s, events) {
				return events[1:]
			}
			return events
		}, func(d Delivered) bool { return d.Lost > 0 && d.Duplicates+d.OutOfOrder+d.Misrouted == 0 }},
		"it repeats": {func(s int, events []int) []int {
			if first(s, events) {
				return append(events, events[0])
			}
			return events
		}, func(d Delivered) bool { return d.Duplicates > 0 && d.Lost+d.OutOfOrder+d.Misrouted == 0 }},
		"it changes the order": {func() func(s int, events []int) []int {
			var held []int
			return func(s int, events []int) []int {
				if !first(s, events) {
					return events
				}
				// The first event is held back until there is a second one.
				if held == nil {
					held = events[:1]
					return events[1:]
				}
				if held[0] < 0 {
					return events
				}
				events = append(events, held[0])
				held[0] = -1
				return events
			}
		}(), func(d Delivered) bool { return d.OutOfOrder > 0 && d.Lost+d.Duplicates+d.Misrouted == 0 }},
	} {
		for name2, start := range map[string]func(*httptest.Server){"": (*httptest.Server).Start, " by HTTP/2": startHTTP2} {
			t.Run(name+name2, func(t *testing.T) {
				o := Options{Subscribers: 3, Publishers: 1}
				if name2 != "" {
					o.Streams = 10
				}
				fault := test.fault
				r := runAgainst(t, &testHub{fault: fault}, o, start)
				if !r.Faulty() || !test.found(r.Delivered) {
					t.Errorf("%+v", r.Delivered)
				}
			})
			if name == "it changes the order" {
				break // its fault can be used only once
			}
		}
	}
}

func TestMisroutedEventIsDetected(t *testing.T) {
	s := httptest.NewServer(newTestHub(t, &testHub{}))
	t.Cleanup(s.CloseClientConnections)
	// The hub gets both topics as one.
	o := Options{Subscribe: s.URL + "/?topic=&ignored={topic}", Publish: s.URL + "/?topic=", Subscribers: 2, Topics: 2, Publishers: 1, Rate: 200, Duration: 200 * time.Millisecond, stallTimeout: testStallTimeout}
	r, err := Run(t.Context(), &o)
	if err != nil || r.Delivered.Misrouted == 0 || r.Delivered.Lost > 0 || !r.Faulty() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRefusedEventIsNotLost(t *testing.T) {
	r := runAgainst(t, &testHub{refuse: func(n int) bool { return n == 3 }}, Options{Subscribers: 4, Publishers: 1, Duration: time.Second}, (*httptest.Server).Start)
	if r.Faulty() || r.Published.Refused != 1 || len(r.Errors) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestReturningSubscribersCatchUp(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP/1.1": (*httptest.Server).Start, "HTTP/2": startHTTP2} {
		t.Run(name, func(t *testing.T) {
			o := Options{Subscribers: 4, Topics: 2, Publishers: 2, Batch: 3, Missing: 6, Missed: 10}
			if name == "HTTP/2" {
				o.Streams = 10
			}
			r := runAgainst(t, &testHub{}, o, start)
			if r.Faulty() || r.Back.Live != 6 || r.Back.Events < 60 {
				t.Errorf("%+v, %+v", r, r.Back)
			}
		})
	}
}

func TestUnpublishableBacklogIsAnError(t *testing.T) {
	server := httptest.NewServer(newTestHub(t, &testHub{refuse: func(int) bool { return true }}))
	t.Cleanup(server.CloseClientConnections)
	o := Options{Subscribe: server.URL + "/?topic={topic}", Publish: server.URL + "/?topic={topic}", Publishers: 1, Missing: 2, Missed: 10}
	_, err := Run(t.Context(), &o)
	if want := "publishing the events to be missed: publishing: the hub answered 503"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestMissedEventsThatTheHubDroppedAreLost(t *testing.T) {
	// Subscribers 0 and 1 are the live one and the probe; the returning ones connect after them.
	forgets := func(subscriber int, events []int) []int {
		if subscriber >= 2 && len(events) > 3 {
			return events[3:]
		}
		return events
	}
	r := runAgainst(t, &testHub{fault: forgets}, Options{Subscribers: 1, Publishers: 1, Missing: 2, Missed: 10}, (*httptest.Server).Start)
	if !r.Faulty() || r.Back.Lost != 6 || r.Delivered.Lost != 0 {
		t.Errorf("%+v, %+v", r, r.Back)
	}
}

func TestPublishersWithoutARateWaitForSubscribers(t *testing.T) {
	server := httptest.NewServer(newTestHub(t, &testHub{}))
	t.Cleanup(server.CloseClientConnections)
	o := Options{Subscribe: server.URL, Publish: server.URL, Subscribers: 2, Publishers: 2, Ahead: 10, Duration: 200 * time.Millisecond}
	r, err := Run(t.Context(), &o)
	if err != nil || r.Faulty() || r.Delivered.Events != 2*r.Published.Events || r.Published.Events == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	for want, o := range map[string]Options{
		"nothing to do":             {},
		"negative":                  {Subscribers: -1},
		"not contain {data}":        {Subscribers: 1, Publishers: 1, Body: "x"},
		"need {n}":                  {Subscribers: 1, Topics: 2, Topic: "x"},
		"need a publisher":          {Missing: 1, Missed: 1},
		"{topic}":                   {Missing: 1, Missed: 1, Publishers: 1},
		"needs subscribers":         {Publishers: 1, Churn: 1},
		"not an IP address":         {Subscribers: 1, Source: []string{"x"}},
		"topics exceed":             {Subscribers: 1, Topics: 1<<20 + 1},
		"connecting to 127.0.0.1:1": {Subscribers: 1, Subscribe: "http://127.0.0.1:1"},
	} {
		if _, err := Run(t.Context(), &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func TestRefusingHubIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	for want, o := range map[string]Options{
		"no subscriber could connect: the hub answered 404 Not Found":   {Subscribers: 3},
		"no event could be published: publishing: the hub answered 404": {Publishers: 1, Rate: 100, Duration: 100 * time.Millisecond},
	} {
		o.Subscribe, o.Publish = server.URL, server.URL
		if _, err := Run(t.Context(), &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestRefusalWithoutAnEndIsQuoted sends the header first, then the text, and never ends the body.
func TestRefusalWithoutAnEndIsQuoted(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP/1.1": (*httptest.Server).Start, "HTTP/2": startHTTP2} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_ = http.NewResponseController(w).Flush()
				_, _ = io.WriteString(w, "only news")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}))
			start(server)
			t.Cleanup(server.Close)
			o := Options{Subscribe: server.URL, Subscribers: 2, TLS: &tls.Config{InsecureSkipVerify: true}}
			if name == "HTTP/2" {
				o.Streams = 2
			}
			_, err := Run(t.Context(), &o)
			if refusal, ok := errors.AsType[*Refusal](err); !ok || string(refusal.Text) != "only news" {
				t.Errorf("%v, %+v", err, refusal)
			}
		})
	}
}

// TestHubWithoutHTTP2IsAnError: no attempt is repeated, and the error says what the hub speaks.
func TestHubWithoutHTTP2IsAnError(t *testing.T) {
	for want, start := range map[string]func(*httptest.Server){
		"it answers with HTTP/1.1": (*httptest.Server).Start,
		"does not speak HTTP/2":    (*httptest.Server).StartTLS,
	} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		start(server)
		t.Cleanup(server.Close)
		o := Options{Subscribe: server.URL, Subscribers: 2, Streams: 2, TLS: &tls.Config{InsecureSkipVerify: true}}
		if _, err := Run(t.Context(), &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestInterruptedRunReturnsAReport(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	h := newTestHub(t, &testHub{refuse: func(n int) bool {
		if n == 5 {
			interrupt()
		}
		return false
	}})
	server := httptest.NewServer(h)
	t.Cleanup(server.CloseClientConnections)
	o := Options{Subscribe: server.URL, Publish: server.URL, Subscribers: 2, Publishers: 1, Rate: 100, Duration: time.Hour}
	if r, err := Run(ctx, &o); err != nil || r.Published.Events < 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestEventsOnTheirWayAreNotLostInAnInterruptedRun: Ctrl-C counted what was in flight as lost. An event that a later one has overtaken is.
func TestEventsOnTheirWayAreNotLostInAnInterruptedRun(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	h := newTestHub(t, &testHub{
		refuse: func(n int) bool {
			if n == 30 {
				interrupt()
			}
			return false
		},
		fault: func(_ int, events []int) []int {
			return slices.DeleteFunc(events, func(i int) bool { return i == 2 || i > 4 })
		},
	})
	server := httptest.NewServer(h)
	t.Cleanup(server.CloseClientConnections)
	o := Options{Subscribe: server.URL, Publish: server.URL, Subscribers: 1, Publishers: 1, Rate: 100, Duration: time.Hour}
	r, err := Run(ctx, &o)
	if err != nil || !r.Interrupted || r.Delivered.Lost != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
