package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/metrics"
	"github.com/tidings-sse/tidings/sse"
)

// patience is how long a test waits for a condition before it fails. It measures nothing.
const patience = time.Minute

// transport is a way to reach a hub.
type transport struct {
	name string
	tls  bool
	h2   bool
	kept bool // the hub cannot take connections and streams over, so it has no direct sockets
	std  bool // HTTP/2 of net/http
	bare bool // TLS without hub.BelowTLS
}

var transports = []transport{
	{name: "http1"},
	{name: "http1-kept", kept: true},
	{name: "http1-tls", tls: true},
	{name: "http2-kept", h2: true, kept: true, std: true},
	{name: "http2-tls", h2: true, tls: true},
}

// direct reports whether shards send the bytes of streams.
func (how transport) direct() bool {
	return !how.kept
}

// keeper is a ResponseWriter that cannot be hijacked, like those of some middleware.
type keeper struct {
	http.ResponseWriter
	*http.ResponseController
}

func (k keeper) Flush() { _ = k.ResponseController.Flush() }

func (k keeper) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrNotSupported }

// site is a hub on a real server.
type site struct {
	*testing.T
	hub    *hub.Hub
	log    eventlog.Log
	url    string
	client *http.Client
}

// each runs a test over every transport, each time on a new hub.
func each(t *testing.T, o *hub.Options, f func(s *site)) {
	t.Helper()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			f(serve(t, mustMemory(t, nil), o, how))
		})
	}
}

func mustMemory(t *testing.T, o *eventlog.MemoryOptions) *eventlog.Memory {
	t.Helper()
	log, err := eventlog.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	atEnd(t, log, func(log *eventlog.Memory) { _ = log.Close() })
	return log
}

// atEnd calls f with a value when the test ends. The closures of t.Cleanup stay in memory until all parallel tests have ended, with everything that
// they refer to; the value does not.
func atEnd[V any](t *testing.T, value V, f func(V)) {
	held := []V{value}
	t.Cleanup(func() {
		value := held[0]
		clear(held)
		f(value)
	})
}

func mustDisk(t *testing.T, o *disklog.Options) *disklog.Log {
	t.Helper()
	log, err := disklog.Open(filepath.Join(t.TempDir(), "log"), o)
	if err != nil {
		t.Fatal(err)
	}
	atEnd(t, log, func(log *disklog.Log) {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

func mustHub(t *testing.T, log eventlog.Log, o *hub.Options) *hub.Hub {
	t.Helper()
	var opts hub.Options
	if o != nil {
		opts = *o
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	if opts.Metrics == nil {
		opts.Metrics = metrics.Handler
	}
	h, err := hub.New(log, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func serve(t *testing.T, log eventlog.Log, o *hub.Options, how transport) *site {
	t.Helper()
	h := mustHub(t, log, o)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if how.kept {
			w = keeper{w, http.NewResponseController(w)}
		}
		h.ServeHTTP(w, r)
	}))
	protocols := new(http.Protocols)
	switch {
	case !how.h2:
		protocols.SetHTTP1(true)
	case how.tls:
		protocols.SetHTTP2(true)
		server.EnableHTTP2 = true
	default:
		protocols.SetUnencryptedHTTP2(true)
	}
	server.Config.Protocols = protocols
	if how.h2 && !how.std {
		h.HTTP2(server.Config)
	}
	if how.tls && !how.bare {
		server.Listener = hub.BelowTLS(server.Listener)
	}
	if how.tls {
		server.StartTLS()
	} else {
		server.Start()
	}
	client := server.Client()
	transport := client.Transport.(*http.Transport)
	transport.Protocols = protocols
	client.Transport = checked{transport, t}
	atEnd(t, server, (*httptest.Server).Close)
	atEnd(t, h, func(h *hub.Hub) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return &site{T: t, hub: h, log: log, url: server.URL, client: client}
}

// request is a request of a test.
type request struct {
	method string // GET if empty, POST with a body
	path   string
	body   string
	reader io.Reader // instead of body
	header map[string]string
}

// do sends a request, after changing it. The caller closes the body.
func (s *site) do(ctx context.Context, r request, change ...func(*http.Request)) (*http.Response, error) {
	s.Helper()
	body := r.reader
	if body == nil && r.body != "" {
		body = strings.NewReader(r.body)
	}
	if r.method == "" {
		if r.method = http.MethodGet; body != nil {
			r.method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.url+r.path, body)
	if err != nil {
		s.Fatal(err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	for _, f := range change {
		f(req)
	}
	return s.client.Do(req)
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request and reads the answer to its end.
func (s *site) send(r request) answer {
	s.Helper()
	a, err := s.try(r)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// sending is like send, in a goroutine: for a body that goes on. Without an answer the test fails, and gets an empty one.
func (s *site) sending(r request) <-chan answer {
	answered := make(chan answer, 1)
	go func() {
		a, err := s.try(r)
		if err != nil {
			s.Error(err)
		}
		answered <- a
	}()
	return answered
}

func (s *site) try(r request) (a answer, err error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	resp, err := s.do(ctx, r)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, fmt.Errorf("%s %s: %w after %q", r.method, r.path, err, body)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}, nil
}

// post publishes an event, and returns its ID.
func (s *site) post(topic, data string) string {
	s.Helper()
	a := s.send(request{method: http.MethodPost, path: "/events?topic=" + url.QueryEscape(topic), body: data})
	var got struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.ID == "" {
		s.Fatalf("publishing to %s: %d %s", topic, a.status, a.body)
	}
	return got.ID
}

// follower reads a stream.
type follower struct {
	t      *testing.T
	resp   *http.Response
	events chan sse.Event
	ended  chan error
	cancel context.CancelFunc
}

// follow opens a stream, and reads it until the test ends or close is called.
func (s *site) follow(path string, header map[string]string) *follower {
	s.Helper()
	return s.open(request{path: path, header: header})
}

// open is like follow, for any request.
func (s *site) open(r request, change ...func(*http.Request)) *follower {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	resp, err := s.do(ctx, r, change...)
	if err != nil {
		cancel()
		s.Fatal(err)
	}
	f := &follower{s.T, resp, make(chan sse.Event), make(chan error, 1), cancel}
	atEnd(s.T, f, (*follower).close)
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		s.Fatalf("%s %s: %d %s", r.method, r.path, resp.StatusCode, body)
	}
	go func() {
		defer func() { _ = resp.Body.Close() }()
		d := sse.NewDecoder(resp.Body, nil)
		for d.Next() {
			select {
			case f.events <- d.Event():
			case <-ctx.Done():
				return
			}
		}
		f.ended <- d.Err()
	}()
	return f
}

func (f *follower) close() { f.cancel() }

// next returns the next event, control events included.
func (f *follower) next() sse.Event {
	f.t.Helper()
	select {
	case e := <-f.events:
		return e
	case err := <-f.ended:
		f.t.Fatalf("the stream has ended: %v", err)
	case <-time.After(patience):
		f.t.Fatal("nothing comes")
	}
	return sse.Event{}
}

// want fails the test unless the next events are these. Each is the data, or TYPE:data for other types than message. Checkpoints are skipped
// unless want names them.
func (f *follower) want(events ...string) (last sse.Event) {
	f.t.Helper()
	for _, want := range events {
		e := f.next()
		for e.Type == "tidings.checkpoint" && !strings.HasPrefix(want, e.Type) {
			e = f.next()
		}
		got := e.Data
		if e.Type != sse.DefaultType {
			got = e.Type + ":" + got
		}
		if got != want {
			f.t.Fatalf("the next event is %q, want %q", got, want)
		}
		last = e
	}
	return last
}

// end waits for the clean end of the stream.
func (f *follower) end() {
	f.t.Helper()
	for {
		select {
		case e := <-f.events:
			if e.Type != "tidings.checkpoint" {
				f.t.Fatalf("the stream goes on with %+v", e)
			}
			continue
		case err := <-f.ended:
			if f.resp.Uncompressed && errors.Is(err, io.ErrUnexpectedEOF) { // a compressed stream ends without the end of gzip
				err = nil
			}
			if err != nil {
				f.t.Fatalf("the stream breaks off: %v", err)
			}
		case <-time.After(patience):
			f.t.Fatal("the stream does not end")
		}
		return
	}
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// numbers returns "from" to "to" as texts.
func numbers(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func mustAppend(t *testing.T, log eventlog.Log, records ...eventlog.Record) []eventlog.Receipt {
	t.Helper()
	receipts, err := log.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

// events returns the topic, type and data of each event in a log.
func events(t *testing.T, log eventlog.Log) (all []string) {
	t.Helper()
	q := eventlog.Query{Selector: eventlog.Everything()}
	for {
		a, err := log.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Records {
			text := strings.Join(r.Topics, ",") + " " + r.Type + " " + r.Data
			if r.Flags&eventlog.End != 0 {
				text += " (end)"
			}
			all = append(all, strings.Join(strings.Fields(text), " "))
		}
		if q.After = a.Complete; a.Complete == log.Head() {
			return all
		}
	}
}

func wantEvents(t *testing.T, log eventlog.Log, want ...string) {
	t.Helper()
	if got := events(t, log); !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

// TestPublishedEventArrives: the main promise, tested over every transport.
func TestPublishedEventArrives(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		f := s.follow("/events/news", nil)
		first := f.next()
		if first.Type != "tidings.checkpoint" || first.Data != "{}" || first.ID != s.log.Head().String() {
			s.Errorf("the first event is %+v, want a checkpoint at %v", first, s.log.Head())
		}
		id := s.post("news", "hello")
		s.post("other", "not for you")
		if got := f.want("hello"); got.ID != id {
			s.Errorf("the event has the ID %q, want %q, the ID in the answer to its publisher", got.ID, id)
		}
		s.post("news", "line 1\r\nline 2\rline 3")
		f.want("line 1\nline 2\nline 3")
	})
}

// TestAStreamOverHTTP1IsNotChunked, so that all subscribers get the same bytes.
func TestAStreamOverHTTP1IsNotChunked(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	f := s.follow("/events/news", nil)
	f.next()
	if len(f.resp.TransferEncoding) > 0 || f.resp.ContentLength != -1 || !f.resp.Close {
		t.Errorf("transfer encoding %q, length %d, close %v", f.resp.TransferEncoding, f.resp.ContentLength, f.resp.Close)
	}
	want := map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store, no-transform", "X-Accel-Buffering": "no",
	}
	for name, value := range want {
		if got := f.resp.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// TestHEADHasNoSideEffects: the response has the header of the stream, and no stream is opened.
func TestHEADHasNoSideEffects(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		a := s.send(request{method: http.MethodHead, path: "/events/news"})
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" || a.body != "" {
			s.Errorf("%+v", a)
		}
		wantEvents(s.T, s.log)
	})
}
