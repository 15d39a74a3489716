package hub_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/blockcheck"
	"github.com/tidings-sse/tidings/sse"
)

// takenOver are the ways in which the hub takes connections over from net/http. In the first two their sockets belong to shards.
var takenOver = []transport{{name: "plain"}, overTLS, {name: "bare TLS", tls: true, bare: true}}

// over runs a test over some transports.
func over(t *testing.T, ways []transport, f func(t *testing.T, how transport)) {
	t.Helper()
	for _, how := range ways {
		t.Run(how.name, func(t *testing.T) { f(t, how) })
	}
}

// openRaw opens a stream on a raw connection, and reads its header.
func (s *site) openRaw(path string, tune func(*net.TCPConn)) (*net.TCPConn, *bufio.Reader) {
	s.Helper()
	_, tcp, in := s.openOver(path, tune, nil)
	return tcp, in
}

// openOver is like openRaw. Over TLS it changes the configuration, and conn is the connection above tcp.
func (s *site) openOver(path string, tune func(*net.TCPConn), change func(*tls.Config)) (conn net.Conn, tcp *net.TCPConn, in *bufio.Reader) {
	s.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		s.Fatal(err)
	}
	conn, err = net.Dial("tcp", u.Host)
	if err != nil {
		s.Fatal(err)
	}
	tcp = conn.(*net.TCPConn)
	s.Cleanup(func() { _ = tcp.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	if tune != nil {
		tune(tcp)
	}
	if u.Scheme == "https" {
		config := &tls.Config{RootCAs: s.client.Transport.(checked).TLSClientConfig.RootCAs, ServerName: u.Hostname()}
		if change != nil {
			change(config)
		}
		conn = tls.Client(conn, config)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, u.Host); err != nil {
		s.Fatal(err)
	}
	in = bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			s.Fatal(err)
		}
		if line == "\r\n" {
			body := blockcheck.Body(io.NopCloser(in), func(fault error) { s.Errorf("%s: %v", path, fault) })
			return conn, tcp, bufio.NewReader(body)
		}
	}
}

// TestIdleHTTP1SubscriberHasNoGoroutine: with and without TLS.
func TestIdleHTTP1SubscriberHasNoGoroutine(t *testing.T) {
	over(t, takenOver, func(t *testing.T, how transport) {
		s := serve(t, mustMemory(t, nil), nil, how)
		s.openRaw("/events/news", nil)
		await(t, "the first stream is open", func() bool { return s.hub.Streams() == 1 })
		before := runtime.NumGoroutine()
		const n = 300
		for range n {
			s.openRaw("/events/news", nil)
		}
		await(t, "all streams are open", func() bool { return s.hub.Streams() == n+1 })
		await(t, "their handlers have returned", func() bool { return runtime.NumGoroutine() <= before+n/10 })
	})
}

// TestSlowReaderGetsEveryByte: partial writes continue where they stopped.
func TestSlowReaderGetsEveryByte(t *testing.T) {
	t.Parallel()
	over(t, takenOver, func(t *testing.T, how transport) {
		t.Parallel()
		s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience, Window: 1 << 20}, how)
		_, in := s.openRaw("/events/news", func(c *net.TCPConn) {
			if err := c.SetReadBuffer(128 << 10); err != nil {
				t.Fatal(err)
			}
		})
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		const n = 400
		var want []string
		for i := range n {
			size := random.IntN(20_000)
			if i%50 == 0 {
				size = 300_000
			}
			want = append(want, fmt.Sprintf("%d %s", i, strings.Repeat(string(rune('a'+i%26)), size)))
		}
		go func() {
			for _, data := range want {
				s.hubPublish(hub.Event{Topics: []string{"news"}, Data: data})
			}
		}()
		d := sse.NewDecoder(trickle{in, random}, nil)
		for i := 0; i < n; {
			if !d.Next() {
				t.Fatalf("the stream ends after %d events: %v", i, d.Err())
			}
			if e := d.Event(); e.Type == sse.DefaultType {
				if e.Data != want[i] {
					t.Fatalf("event %d is %.30q with %d bytes, want %.30q with %d", i, e.Data, len(e.Data), want[i], len(want[i]))
				}
				i++
			}
		}
	})
}

// trickle is a reader that reads a few bytes at a time.
type trickle struct {
	r      io.Reader
	random *rand.Rand
}

func (t trickle) Read(b []byte) (int, error) {
	return t.r.Read(b[:min(len(b), 1+t.random.IntN(3000))])
}

// readUntil reads a stream up to the event with the data.
func readUntil(t *testing.T, in io.Reader, data string) {
	t.Helper()
	d := sse.NewDecoder(in, nil)
	for d.Next() && d.Event().Data != data {
		continue
	}
	if d.Err() != nil {
		t.Fatal(d.Err())
	}
}

// TestTooManyBytesAfterTheRequestEndTheStream: a subscriber has nothing to send, so the hub does not read what it sends.
func TestTooManyBytesAfterTheRequestEndTheStream(t *testing.T) {
	t.Parallel()
	over(t, takenOver[:2], func(t *testing.T, how transport) {
		t.Parallel()
		s := serve(t, mustMemory(t, nil), nil, how)
		conn, _, in := s.openOver("/events/news", nil, nil)
		if _, err := io.WriteString(conn, "GET /events/other HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
		s.post("news", "hello")
		readUntil(t, in, "hello")
		for i := 0; s.hub.Streams() > 0; i++ {
			if i > 10_000 {
				t.Fatal("the hub accepts any number of bytes from a subscriber")
			}
			if _, err := conn.Write(make([]byte, 1<<10)); err != nil {
				break // the hub has closed the connection
			}
		}
		await(t, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
	})
}

// TestHalfCloseEndsAStream: clients that want the rest of a stream keep their sending side open, so a half-close means that the client is
// gone.
func TestHalfCloseEndsAStream(t *testing.T) {
	t.Parallel()
	over(t, takenOver, func(t *testing.T, how transport) {
		t.Parallel()
		s := serve(t, mustMemory(t, nil), nil, how)
		conn, _ := s.openRaw("/events/news", nil)
		await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		await(t, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
	})
}

// TestNoSocketIsLeftOpen: the lowest free file descriptor is the same before and after.
func TestNoSocketIsLeftOpen(t *testing.T) {
	over(t, takenOver, func(t *testing.T, how transport) {
		s := serve(t, mustMemory(t, nil), nil, how)
		files := func() int {
			n := 0
			for fd := range 1000 {
				var stat syscall.Stat_t
				if syscall.Fstat(fd, &stat) == nil {
					n++
				}
			}
			return n
		}
		var first []*net.TCPConn
		for range runtime.GOMAXPROCS(0) { // each shard opens its own descriptors
			conn, _ := s.openRaw("/events/news", nil)
			first = append(first, conn)
		}
		for _, conn := range first {
			_ = conn.Close()
		}
		await(t, "the first streams have ended", func() bool { return s.hub.Streams() == 0 })
		before := files()
		for range 100 {
			conn, _ := s.openRaw("/events/news", nil)
			_ = conn.Close()
		}
		await(t, "all streams and their files are closed", func() bool { return s.hub.Streams() == 0 && files() <= before })
	})
}

// TestDeliveryAllocatesNothingPerSubscriber: an event needs the same number of allocations for 10 and for 200 subscribers.
func TestDeliveryAllocatesNothingPerSubscriber(t *testing.T) {
	allocations := func(subscribers int) float64 {
		s := serve(t, mustMemory(t, nil), nil, transports[0])
		for range subscribers {
			conn, _ := s.openRaw("/events/news", nil) // read as it is: checking the stream allocates
			go func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{conn}); _ = conn.Close() }()
		}
		await(t, "all streams are open", func() bool { return s.hub.Streams() == subscribers })
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "first"})
		return testing.AllocsPerRun(50, func() {
			r := s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "hello"})
			s.hub.AwaitSettled(r[0].Position)
		})
	}
	few, many := allocations(10), allocations(200)
	if many-few > 50 {
		t.Errorf("an event costs %.0f allocations with 10 subscribers, and %.0f with 200", few, many)
	}
}
