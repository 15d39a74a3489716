package tidings_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// The tests in this file run the client against a real hub, not against a model of one.

// openLog opens a log in memory, or in a directory.
func openLog(t *testing.T, dir string) (log eventlog.Log, closeLog func() error) {
	t.Helper()
	if dir == "" {
		memory, err := eventlog.NewMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		return memory, memory.Close
	}
	disk, err := disklog.Open(dir, &disklog.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	return disk, disk.Close
}

// realHub is a hub behind a server, until the test ends.
type realHub struct {
	url    string
	http   *http.Client
	protos sync.Map // that requests came by
}

func newRealHub(t *testing.T, dir string, secure bool) *realHub {
	t.Helper()
	log, closeLog := openLog(t, dir)
	t.Cleanup(func() {
		if err := closeLog(); err != nil {
			t.Error(err)
		}
	})
	return newHubOn(t, log, secure)
}

// newHubOn starts a hub on a log.
func newHubOn(t *testing.T, log eventlog.Log, secure bool) *realHub {
	t.Helper()
	h, err := hub.New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := new(realHub)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.protos.Store(req.Proto, true)
		h.ServeHTTP(w, req)
	}))
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		if err := h.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	r.url, r.http = server.URL, server.Client()
	return r
}

func (r *realHub) client() *tidings.Client { return &tidings.Client{URL: r.url, HTTP: r.http} }

// onEveryHub runs a test on hubs that differ in log and transport.
func onEveryHub(t *testing.T, test func(t *testing.T, r *realHub)) {
	for name, kind := range map[string]struct{ disk, secure bool }{
		"memory, HTTP/1.1": {false, false},
		"disk, HTTP/1.1":   {true, false},
		"memory, HTTP/2.0": {false, true},
		"disk, HTTP/2.0":   {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ""
			if kind.disk {
				dir = t.TempDir()
			}
			r := newRealHub(t, dir, kind.secure)
			test(t, r)
			_, proto, _ := strings.Cut(name, ", ")
			for used := range r.protos.Range {
				if used != proto {
					t.Errorf("a request came by %s", used)
				}
			}
		})
	}
}

// follow returns the events of topics until they are complete.
func follow(t *testing.T, c *tidings.Client, topics []string, o *tidings.SubscribeOptions) []tidings.Event {
	t.Helper()
	var got []tidings.Event
	for e, err := range c.Subscribe(t.Context(), topics, o) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	return got
}

func TestSubscriberGetsPublishedEventsFromAHub(t *testing.T) {
	onEveryHub(t, func(t *testing.T, r *realHub) {
		c := r.client()
		text := tidings.Event{Topics: []string{"news/rome", "https://example.com/1"}, Type: "alert", Data: []byte("two\nlines ü")}
		raw := tidings.Event{Topic: "news/rome", Binary: true, Data: []byte{0, 1, 0xFF, '\r', '\n'}}
		long := tidings.Event{Topic: "news/rome", Data: bytes.Repeat([]byte("x"), 200<<10)}
		empty := tidings.Event{Topic: "news/rome"}
		end := tidings.Event{Topic: "news/rome", Data: []byte("the end"), End: true}
		var ids []string
		for _, e := range []tidings.Event{text, raw, long, empty, end} {
			receipt, err := c.Publish(t.Context(), e)
			if err != nil || receipt.Duplicate {
				t.Fatalf("%v, %v", receipt, err)
			}
			ids = append(ids, receipt.ID)
		}
		var ended []string
		got := follow(t, c, []string{"news/rome"}, &tidings.SubscribeOptions{
			Since: tidings.Earliest, OnEnd: func(e tidings.End) { ended = append(ended, e.Topic+" "+e.ID) },
		})
		if len(got) != 5 {
			t.Fatalf("%d events came", len(got))
		}
		for i, want := range []tidings.Event{text, raw, long, empty, end} {
			e := got[i]
			if e.ID != ids[i] || e.Topic != "news/rome" || !bytes.Equal(e.Data, want.Data) || e.Binary != want.Binary || e.Time.IsZero() {
				t.Errorf("event %d is %.300q, want %.300q", i, fmt.Sprint(e), fmt.Sprint(want))
			}
		}
		if got[0].Type != "alert" || got[1].Type != sse.DefaultType || !slices.Equal(got[0].Topics, text.Topics) {
			t.Errorf("the first is %v", got[0])
		}
		if want := []string{"news/rome " + ids[4]}; !slices.Equal(ended, want) {
			t.Errorf("ends are %q, want %q", ended, want)
		}
		if _, err := c.Publish(t.Context(), empty); !errors.Is(err, tidings.ErrEnded) {
			t.Errorf("behind the end: %v", err)
		}
	})
}

func TestHubCountsDuplicatesAsTheClientExpects(t *testing.T) {
	onEveryHub(t, func(t *testing.T, r *realHub) {
		c := r.client()
		var events []tidings.Event
		for i := range 100 {
			events = append(events, tidings.Event{Topic: "numbers", Data: []byte(strconv.Itoa(i))})
		}
		o := &tidings.PublishOptions{Key: "import-1", BatchEvents: 30}
		first, err := c.PublishAll(t.Context(), events[:70], o)
		if err != nil || first.Count != 70 || first.Duplicates != 0 {
			t.Fatalf("%+v, %v", first, err)
		}
		// PublishStream with the same key publishes the same events and more: the hub stores only the missing ones.
		second, err := c.PublishStream(t.Context(), func(yield func(tidings.Event, error) bool) {
			for _, e := range append(events, tidings.Event{Topic: "numbers", End: true}) {
				if !yield(e, nil) {
					return
				}
			}
		}, o)
		if err != nil || second.Count != 101 || second.Duplicates != 70 || second.First != first.First {
			t.Fatalf("%+v after %+v, %v", second, first, err)
		}
		for i, e := range follow(t, c, []string{"numbers"}, &tidings.SubscribeOptions{Since: tidings.Earliest}) {
			if string(e.Data) != strconv.Itoa(i) {
				t.Fatalf("event %d is %q", i, e.Data)
			}
		}
		one := tidings.Event{Topic: "single", Data: []byte("a"), Key: "k"}
		a, err1 := c.Publish(t.Context(), one)
		b, err2 := c.Publish(t.Context(), one)
		if err1 != nil || err2 != nil || a.ID != b.ID || a.Duplicate || !b.Duplicate {
			t.Errorf("%v, %v, then %v, %v", a, err1, b, err2)
		}
		one.Data = []byte("b")
		if _, err := c.Publish(t.Context(), one); !errors.Is(err, tidings.ErrKeyReused) {
			t.Errorf("other content with the same key: %v", err)
		}
	})
}

// TestHubReportsStoredEventsWhenItRefusesALine: the caller decides about the rest of the batch.
func TestHubReportsStoredEventsWhenItRefusesALine(t *testing.T) {
	onEveryHub(t, func(t *testing.T, r *realHub) {
		events := []tidings.Event{{Topic: "a"}, {Topic: "b"}, {Topic: "$hub"}, {Topic: "c"}}
		got, err := r.client().PublishAll(t.Context(), events, nil)
		problem, ok := errors.AsType[*tidings.Problem](err)
		if !ok || got.Count != 2 || got.Last == "" || problem.Stored != 2 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestSubscriberOfAHubGetsAGap(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			log, closeLog := openLog(t, dir)
			t.Cleanup(func() {
				if err := closeLog(); err != nil {
					t.Error(err)
				}
			})
			c := newHubOn(t, log, false).client()
			var ids []string
			for i := range 10 {
				receipt, err := c.Publish(t.Context(), tidings.Event{Topic: "news", Data: []byte(strconv.Itoa(i)), End: i == 9})
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, receipt.ID)
			}
			c = newHubOn(t, log, false).client() // which has nothing in its window
			for after, want := range map[string]string{"zzzzz-5": "reset", "00000-1": "reset"} {
				var gaps []tidings.Gap
				got := follow(t, c, []string{"news"}, &tidings.SubscribeOptions{
					After: after, Since: tidings.Earliest, OnGap: func(g tidings.Gap) error { gaps = append(gaps, g); return nil },
				})
				if len(gaps) != 1 || gaps[0].Reason != want || len(got) == 0 || got[len(got)-1].ID != ids[9] {
					t.Errorf("after %s: gaps %v, then %d events", after, gaps, len(got))
				}
				for _, err := range c.Subscribe(t.Context(), []string{"news"}, &tidings.SubscribeOptions{After: after}) {
					if !errors.Is(err, tidings.ErrGap) {
						t.Errorf("after %s there is no gap: %v", after, err)
					}
				}
			}
		})
	}
}

// TestNothingIsLostOrRepeatedAcrossHubRestarts: publisher and subscriber continue while the hub and its log restart.
func TestNothingIsLostOrRepeatedAcrossHubRestarts(t *testing.T) {
	const restarts, events = 3, 400
	dir, socket := t.TempDir(), filepath.Join(t.TempDir(), "s")
	stop := serveOn(t, dir, socket)
	quick := sse.Backoff{Base: time.Millisecond, Max: 20 * time.Millisecond}
	c := &tidings.Client{URL: "unix:" + socket, Backoff: quick, OnRetry: func(error, time.Duration) {}}
	done := make(chan error, 1)
	go func() {
		_, err := c.PublishStream(t.Context(), func(yield func(tidings.Event, error) bool) {
			for i := range events {
				if !yield(tidings.Event{Topic: "numbers", Data: []byte(strconv.Itoa(i)), End: i == events-1}, nil) {
					return
				}
			}
		}, &tidings.PublishOptions{BatchEvents: 10})
		done <- err
	}()
	got := 0
	for e, err := range c.Subscribe(t.Context(), []string{"numbers"}, &tidings.SubscribeOptions{
		Since:   tidings.Earliest,
		Recover: func(*sse.Failure) (time.Duration, bool) { return 10 * time.Millisecond, true }, // and not when the hub asks
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Data) != strconv.Itoa(got) {
			t.Fatalf("event %d is %q", got, e.Data)
		}
		if got++; got%(events/(restarts+1)) == 0 && got < events {
			stop()
			stop = serveOn(t, dir, socket)
		}
	}
	if err := <-done; err != nil || got != events { // the last answer may come after the last event, and needs a hub
		t.Errorf("%d events came, publishing: %v", got, err)
	}
	stop()
}

// serveOn serves a hub with its log in a directory on a socket. Stop ends both, and breaks what is open.
func serveOn(t *testing.T, dir, socket string) (stop func()) {
	t.Helper()
	log, closeLog := openLog(t, dir)
	h, err := hub.New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	return func() {
		_ = server.Close()
		<-served
		if err := errors.Join(h.Shutdown(context.WithoutCancel(t.Context())), closeLog()); err != nil {
			t.Error(err)
		}
	}
}

func TestClientAcceptsTheAddressesOfTheCommandLine(t *testing.T) {
	r := newRealHub(t, "", false)
	host := strings.TrimPrefix(r.url, "http://")
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{r.url, host, ":" + port, "localhost:" + port, "localhost:" + port + "/", r.url + "/events"} {
		if _, err := (&tidings.Client{URL: url}).Publish(t.Context(), tidings.Event{Topic: "news"}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	c := &tidings.Client{URL: "unix:/run/none.sock", HTTP: &http.Client{Transport: http.DefaultTransport}}
	if _, err := c.Publish(t.Context(), tidings.Event{Topic: "news"}); err == nil || !strings.Contains(err.Error(), "Transport") {
		t.Errorf("a custom transport for a socket: %v", err)
	}
}

// TestPublishAllNoticesAShortAnswer: the count includes duplicates. The client added them again, and accepted an answer for too few events.
func TestPublishAllNoticesAShortAnswer(t *testing.T) {
	answer := ssetest.Status(http.StatusOK, ssetest.Send(`{"first":"abcde-1","last":"abcde-2","count":2,"duplicates":2}`)).
		With("Content-Type", "application/json")
	server := ssetest.NewServer(t, answer)
	events := []tidings.Event{{Topic: "a"}, {Topic: "b"}, {Topic: "c"}}
	got, err := clientOf(server).PublishAll(t.Context(), events, nil)
	if err == nil || got.Count != 0 {
		t.Errorf("two events of three are %+v, %v", got, err)
	}
}

// logged collects the log of a program.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
	some chan struct{} // closed with the first line
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() == 0 {
		close(l.some)
	}
	return l.text.Write(b)
}

func (l *logged) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(strings.Lines(l.text.String()))
}

// TestClientLogsThatItWaitsForAHub: Publish blocked forever and logged nothing.
func TestClientLogsThatItWaitsForAHub(t *testing.T) {
	quick := sse.Backoff{Base: time.Millisecond, Max: time.Millisecond}
	for name, call := range map[string]func(ctx context.Context, c *tidings.Client) error{
		"publish": func(ctx context.Context, c *tidings.Client) error {
			_, err := c.Publish(ctx, tidings.Event{Topic: "news"})
			return err
		},
		"publish all": func(ctx context.Context, c *tidings.Client) error {
			_, err := c.PublishAll(ctx, []tidings.Event{{Topic: "news"}}, nil)
			return err
		},
		"subscribe": func(ctx context.Context, c *tidings.Client) error {
			for _, err := range c.Subscribe(ctx, []string{"news"}, nil) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := &logged{some: make(chan struct{})}
			tries := make(chan struct{}, 100)
			missing := "unix:" + filepath.Join(t.TempDir(), "none.sock")
			c := &tidings.Client{URL: missing, Backoff: quick, Log: slog.New(slog.NewTextHandler(log, nil))}
			c.TokenFunc = func(context.Context) (string, error) { // called before each attempt
				select {
				case tries <- struct{}{}:
				default:
				}
				return "token", nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- call(ctx, c) }()
			<-log.some
			for range 5 {
				<-tries
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			lines := log.lines()
			if len(lines) != 1 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], missing) {
				t.Errorf("it has logged %q", lines)
			}
		})
	}
}

// TestClientSendsTheCallersHeaderFields: a proxy before the hub may require them.
func TestClientSendsTheCallersHeaderFields(t *testing.T) {
	server := ssetest.NewServer(t, stored("abcde-1"), ssetest.Status(http.StatusNoContent))
	c := clientOf(server)
	c.Header = http.Header{"x-tenant": {"a", "b"}, "User-Agent": {"mine"}}
	if _, err := c.Publish(t.Context(), tidings.Event{Topic: "news"}); err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Subscribe(t.Context(), []string{"news"}, nil) {
		t.Fatal(err)
	}
	for _, x := range server.Requests() {
		if !slices.Equal(x.Header["X-Tenant"], []string{"a", "b"}) || x.Header.Get("User-Agent") != "mine" || x.Header.Get("Authorization") == "" {
			t.Errorf("%s came with %v", x.Method, x.Header)
		}
	}
}
