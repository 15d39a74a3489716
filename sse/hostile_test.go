package sse_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// raw serves TCP connections: it reads a request from each and calls write with the connection.
func raw(t *testing.T, write func(w *bufio.Writer) error) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				w := bufio.NewWriter(conn)
				_ = write(w) // fails because the client closes most connections
				_ = w.Flush()
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return "http://" + l.Addr().String()
}

// giveUp is a policy that never reconnects.
func giveUp(*sse.Failure) (time.Duration, bool) { return 0, false }

func TestHostileServers(t *testing.T) {
	forever := func(w *bufio.Writer, s string) error {
		for {
			if _, err := w.WriteString(s); err != nil {
				return err
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	tests := map[string]struct {
		write func(w *bufio.Writer) error
		want  string
	}{
		"endless line": {func(w *bufio.Writer) error {
			_, _ = w.WriteString(ok + "\r\ndata: ")
			return forever(w, strings.Repeat("x", 4096))
		}, "larger than 16777216 bytes"},
		"endless event": {func(w *bufio.Writer) error {
			_, _ = w.WriteString(ok + "\r\n")
			return forever(w, "data: x\n")
		}, "larger than 16777216 bytes"},
		"endless header": {func(w *bufio.Writer) error {
			_, _ = w.WriteString(ok)
			return forever(w, "X-More: "+strings.Repeat("x", 4096)+"\r\n")
		}, "server response headers exceeded"},
		"no HTTP": {func(w *bufio.Writer) error {
			_, err := w.WriteString("data: 1\n\ndata: 2\n\n")
			return err
		}, "malformed HTTP"},
		"endless refusal": {func(w *bufio.Writer) error {
			_, _ = w.WriteString("HTTP/1.1 500 Oops\r\n\r\n")
			return forever(w, strings.Repeat("no ", 1000))
		}, `500 Oops instead of 200: "no no`},
		"wrong MIME": {func(w *bufio.Writer) error {
			_, err := w.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\n\r\ndata: 1\n\n")
			return err
		}, `content type "text/event-streams" instead of`},
		"gzip that was not requested": {func(w *bufio.Writer) error {
			_, _ = w.WriteString(ok + "Content-Encoding: gzip\r\n\r\n")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte("data: 1\n\n"))
			return z.Close()
		}, `content coding "gzip", which the client did not request`},
		"cut in a chunk": {func(w *bufio.Writer) error {
			_, err := w.WriteString(ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nda")
			return err
		}, "unexpected EOF"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url := raw(t, test.write)
			transport := &http.Transport{DisableCompression: true}
			defer transport.CloseIdleConnections()
			c := sse.Client{HTTP: &http.Client{Transport: transport}, Recover: giveUp}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			data, err := collect(c.Subscribe(req))
			if err == nil || !strings.Contains(err.Error(), test.want) || len(data) > 0 {
				t.Errorf("got %d events and %v; want an error with %q", len(data), err, test.want)
			}
		})
	}
}

func TestEventSentByteByByteArrivesWhole(t *testing.T) {
	url := raw(t, func(w *bufio.Writer) error {
		_, _ = w.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for _, b := range []byte("\uFEFFid: ä\r\ndata: 1\rdata: 2\n\r\n") {
			_ = w.WriteByte(b)
			_ = w.Flush()
		}
		return nil
	})
	for event, err := range sse.Subscribe(t.Context(), url) {
		if err != nil || event.Data != "1\n2" || event.ID != "ä" {
			t.Errorf("got %v, %v", event, err)
		}
		break
	}
}

func TestCompressionRequestedByTheTransportIsDecoded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for i := range 3 {
			fmt.Fprintf(z, "data: %d\n\n", i)
			_ = z.Flush()
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	defer s.Close()
	var data []string
	for event, err := range sse.Subscribe(t.Context(), s.URL) {
		if err != nil {
			t.Fatal(err)
		}
		if data = append(data, event.Data); len(data) == 3 {
			break
		}
	}
	if !slices.Equal(data, []string{"0", "1", "2"}) {
		t.Errorf("got %q", data)
	}
}

// TestSubscriptionStartsNoGoroutine compares subscriptions with the same number of plain requests of net/http.
func TestSubscriptionStartsNoGoroutine(t *testing.T) {
	const connections = 50
	s := httptest.NewServer(http.HandlerFunc(stream("data: 1\n\n").then(hold)))
	defer s.Close()
	count := func(open func(ctx context.Context, ready chan<- struct{})) int {
		ctx, cancel := context.WithCancel(t.Context())
		before := runtime.NumGoroutine()
		ready, ended := make(chan struct{}), make(chan struct{})
		for range connections {
			go func() {
				open(ctx, ready)
				ended <- struct{}{}
			}()
		}
		for range connections {
			<-ready
		}
		n := runtime.NumGoroutine() - before
		cancel()
		for range connections {
			<-ended
		}
		for runtime.NumGoroutine() > before {
			runtime.Gosched() // net/http's goroutines end without help; after a leak this loop does not end
		}
		return n
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	request := func(ctx context.Context) *http.Request {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			panic(err)
		}
		return req
	}
	plain := count(func(ctx context.Context, ready chan<- struct{}) {
		resp, err := client.Do(request(ctx))
		if err != nil {
			panic(err)
		}
		defer resp.Body.Close()
		ready <- struct{}{}
		<-ctx.Done()
	})
	ours := count(func(ctx context.Context, ready chan<- struct{}) {
		c := sse.Client{HTTP: client, IdleTimeout: time.Hour}
		for range c.Subscribe(request(ctx)) {
			select {
			case ready <- struct{}{}:
			case <-ctx.Done():
			}
		}
	})
	if ours > plain+connections/2 { // the number of net/http's own goroutines varies
		t.Errorf("%d subscriptions hold %d goroutines, %d plain requests hold %d", connections, ours, connections, plain)
	}
}
