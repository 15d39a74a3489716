package tidings_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// firstFailure returns the error with which the first connection to a hub ended, after it had an event.
func firstFailure(t *testing.T, c *tidings.Client, topic string, event func()) error {
	t.Helper()
	var failed error
	o := &tidings.SubscribeOptions{
		Recover: func(f *sse.Failure) (time.Duration, bool) { failed = f.Err; return 0, false },
		OnOpen:  event,
	}
	n := 0
	for _, err := range c.Subscribe(t.Context(), []string{topic}, o) {
		if err == nil {
			n++
		}
	}
	if n == 0 {
		t.Fatalf("no event came: %v", failed)
	}
	return failed
}

// TestDrainOfACompressedStreamIsNoFailure: net/http reports that a stream without the end of gzip was cut off, and the client warned of it.
func TestDrainOfACompressedStreamIsNoFailure(t *testing.T) {
	log, _ := openLog(t, "")
	h, err := hub.New(log, &hub.Options{Compress: []eventlog.Pattern{eventlog.MustPattern("**")}})
	if err != nil {
		t.Fatal(err)
	}
	zipped := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		zipped = r.Header.Get("Accept-Encoding") == "gzip"
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	err = firstFailure(t, &tidings.Client{URL: server.URL}, "news", func() {
		if _, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"news"}, Data: "hello"}}); err != nil {
			t.Error(err)
		}
		go func() { _ = h.Shutdown(t.Context()) }()
	})
	if !errors.Is(err, sse.ErrEnded) || !zipped {
		t.Errorf("compressed: %v; the stream ended with %v", zipped, err)
	}
}

// TestClientKnowsACutCompressedStream: a connection that breaks, and a stream that ends inside an event, are told from the end of a stream.
func TestClientKnowsACutCompressedStream(t *testing.T) {
	const event = "id: a-1\ndata: {\"id\":\"a-1\",\"topic\":\"news\",\"topics\":[\"news\"],\"data\":\"hello\"}\n\n"
	for name, c := range map[string]struct {
		end  func(*gzip.Writer)
		more string
		want error
	}{
		"without the end of gzip": {func(*gzip.Writer) {}, "", sse.ErrEnded},
		"with the end of gzip":    {func(z *gzip.Writer) { _ = z.Close() }, "", sse.ErrEnded},
		"broken":                  {func(*gzip.Writer) { panic(http.ErrAbortHandler) }, "", sse.ErrTruncated},
		"inside an event":         {func(*gzip.Writer) {}, "data: cut", sse.ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				_, _ = io.WriteString(z, event+c.more)
				_ = z.Flush()
				_ = http.NewResponseController(w).Flush()
				c.end(z)
			}))
			defer server.Close()
			if err := firstFailure(t, &tidings.Client{URL: server.URL}, "news", nil); !errors.Is(err, c.want) {
				t.Errorf("the stream ended with %v, not %v", err, c.want)
			}
		})
	}
}

// TestClientLeavesTheCodingToItsCaller: a transport that does not ask for gzip, and a field that the caller sets.
func TestClientLeavesTheCodingToItsCaller(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Accept-Encoding")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	for name, c := range map[string]*tidings.Client{
		"":         {HTTP: &http.Client{Transport: &http.Transport{DisableCompression: true}}},
		"identity": {Header: http.Header{"Accept-Encoding": {"identity"}}},
		"gzip":     {},
	} {
		c.URL = server.URL
		for _, err := range c.Subscribe(t.Context(), []string{"news"}, nil) {
			t.Error(err)
		}
		if asked != name {
			t.Errorf("Accept-Encoding is %q, not %q", asked, name)
		}
	}
}
