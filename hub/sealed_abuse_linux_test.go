package hub_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// What clients may do over TLS while the hub has sealed bytes that a full socket did not take.

// smallWindow keeps the client's kernel from taking many bytes.
func smallWindow(t *testing.T) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		if err := c.SetReadBuffer(128 << 10); err != nil {
			t.Fatal(err)
		}
	}
}

// fill publishes events until the socket of the only stream is full, and returns how many.
func (s *site) fill() (n int) {
	s.Helper()
	for ; s.hub.Stalled() == 0; n++ {
		if n > 1000 {
			s.Fatal("the socket takes any number of bytes")
		}
		at, err := s.hub.Publish(s.Context(), hub.Event{Topics: []string{"news"}, Data: largeEvent(n)})
		if err != nil {
			s.Fatal(err)
		}
		s.hub.AwaitSettled(at[0].Position)
	}
	return n
}

// largeEvent returns the data of an event of many records.
func largeEvent(i int) string {
	return fmt.Sprint(i, " ", strings.Repeat(string(rune('a'+i%26)), 50_000))
}

// wantLargeEvents reads n large events, a few bytes at a time.
func wantLargeEvents(t *testing.T, in io.Reader, n int) {
	t.Helper()
	d := sse.NewDecoder(trickle{in, rand.New(rand.NewPCG(1, 2))}, nil)
	for i := 0; i < n; {
		if !d.Next() {
			t.Fatalf("the stream ends after %d of %d events: %v", i, n, d.Err())
		}
		if e := d.Event(); e.Type == sse.DefaultType {
			if e.Data != largeEvent(i) {
				t.Fatalf("event %d is %.30q with %d bytes", i, e.Data, len(e.Data))
			}
			i++
		}
	}
}

// TestNewKeysDuringAPartialRecordLoseNothing: the answer to the client's change of keys comes after the record that waits.
func TestNewKeysDuringAPartialRecordLoseNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience}, overTLS)
	tcp, in, keys := s.openWithKeys(smallWindow(t))
	n := s.fill()
	for range 3 {
		if _, err := tcp.Write(keys.next()); err != nil {
			t.Fatal(err)
		}
	}
	wantLargeEvents(t, in, n)
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "after it"})
	readUntil(t, in, "after it")
}

// TestInputDuringAPartialRecordLosesNothing: the shard reads what the client sends, while a replayer may write.
func TestInputDuringAPartialRecordLosesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience}, overTLS)
	conn, _, in := s.openOver("/events/news", smallWindow(t), nil)
	await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
	n := s.fill()
	sent := make(chan error, 1)
	go func() {
		for range 500 {
			if _, err := conn.Write([]byte("ping")); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	wantLargeEvents(t, in, n)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestStreamThatEndsInsideARecordSpoilsNothing: the client can read all records before it.
func TestStreamThatEndsInsideARecordSpoilsNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *site){
		"shut down at once": func(s *site) {
			ctx, cancel := context.WithCancel(s.Context())
			cancel()
			if err := s.hub.Shutdown(ctx); !errors.Is(err, context.Canceled) {
				s.Error(err)
			}
		},
		"closed": func(s *site) {
			a := s.send(request{method: http.MethodDelete, path: "/api/v1/subscribers?all=1"})
			if a.status != http.StatusOK {
				s.Errorf("%d %s", a.status, a.body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience}, overTLS)
			_, _, in := s.openOver("/events/news", smallWindow(t), nil)
			await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
			n := s.fill()
			end(s)
			await(t, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
			d, got := sse.NewDecoder(in, nil), 0
			for d.Next() {
				if e := d.Event(); e.Type == sse.DefaultType {
					if e.Data != largeEvent(got) {
						t.Fatalf("event %d is %.30q with %d bytes", got, e.Data, len(e.Data))
					}
					got++
				}
			}
			if err := d.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("after %d of %d events: %v", got, n, err)
			}
		})
	}
}

// TestEveryKindOfTLSClientGetsItsStream: protocols of ALPN, resumed sessions, and requests in the smallest records.
func TestEveryKindOfTLSClientGetsItsStream(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, overTLS)
	u := strings.TrimPrefix(s.url, "https://")
	cache := tls.NewLRUClientSessionCache(10)
	for _, test := range []struct {
		name    string
		change  func(*tls.Config)
		single  bool // each byte of the request is a record
		resumed bool
	}{
		{name: "no protocol"},
		{name: "HTTP/1.1", change: func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
		{name: "HTTP/2 or HTTP/1.1", change: func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }},
		{name: "small records", single: true},
		{name: "TLS 1.2, small records", change: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, single: true},
		{name: "a session", change: func(c *tls.Config) { c.ClientSessionCache = cache }},
		{name: "the same session", change: func(c *tls.Config) { c.ClientSessionCache = cache }, resumed: true},
	} {
		config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
		if test.change != nil {
			test.change(config)
		}
		conn, err := tls.Dial("tcp", u, config)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if got := conn.ConnectionState().DidResume; got != test.resumed {
			t.Errorf("%s: resumed: %t", test.name, got)
		}
		parts := []string{"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n"}
		if test.single {
			parts = strings.Split(parts[0], "")
		}
		for _, part := range parts {
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
		}
		in := bufio.NewReader(conn)
		awaitLine(t, in, "retry: ")
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "hello " + test.name})
		awaitLine(t, in, "data: hello "+test.name)
	}
}

// awaitLine reads up to a line that begins with a text.
func awaitLine(t *testing.T, in *bufio.Reader, text string) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("before %q: %v", text, err)
		}
		if strings.HasPrefix(line, text) {
			return
		}
	}
}
