package h2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub/internal/h2"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// What clients may do that they should not. The specification tool h2spec covers single wrong frames.

// TestRapidResetsDoNotMultiplyHandlers: a client opens streams and resets them at once. A stream that was reset counts until its handler has
// returned, so that there are never more handlers than streams allowed.
func TestRapidResetsDoNotMultiplyHandlers(t *testing.T) {
	t.Parallel()
	const most = 10
	var running, peak atomic.Int32
	release := make(chan struct{})
	s := serve(t, "plain", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		for n := running.Add(1); ; {
			was := peak.Load()
			if n <= was || peak.CompareAndSwap(was, n) {
				break
			}
		}
		defer running.Add(-1)
		<-release // it does not notice the reset
	}), func(hs *http.Server) { hs.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: most} })
	var once sync.Once
	end := func() { once.Do(func() { close(release) }) }
	t.Cleanup(end)
	p := connect(t, s)
	go func() {
		for id := uint32(1); id < 1000; id += 2 {
			if p.in.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: p.fields(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/"), EndHeaders: true, EndStream: true,
			}) != nil || p.in.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
				return // the server has ended the connection
			}
		}
	}()
	if code := p.goAway(); code != http2.ErrCodeEnhanceYourCalm {
		t.Error(code)
	}
	if n := peak.Load(); n > most {
		t.Errorf("%d handlers ran at the same time", n)
	}
	end()
}

// TestCancelledRequestsAreNoAbuse: handlers that notice the reset let a client open and cancel any number of streams.
func TestCancelledRequestsAreNoAbuse(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 1)
	ended := make(chan struct{}, 1)
	s := serve(t, "plain", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}), func(hs *http.Server) { hs.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2} })
	p := connect(t, s)
	for id := uint32(1); id < 200; id += 2 {
		p.get(id, "/")
		<-started
		p.check(p.in.WriteRSTStream(id, http2.ErrCodeCancel))
		<-ended
	}
}

// TestClientThatDoesNotReadIsCutOff: each of these frames has an answer, which the client does not read.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	frames := func(f func(*http2.Framer)) []byte {
		var b bytes.Buffer
		for out := http2.NewFramer(&b, nil); b.Len() < 16<<10; {
			f(out)
		}
		return b.Bytes()
	}
	for name, flood := range map[string][]byte{
		"pings":    frames(func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{}) }),
		"settings": frames(func(f *http2.Framer) { _ = f.WriteSettings() }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, way string) {
				s := serve(t, way, http.NotFoundHandler(), func(hs *http.Server) { hs.ConnContext = smallBuffer })
				p := connect(t, s)
				p.get(1, "/")
				for sent := 0; ; sent++ {
					if _, err := p.conn.Write(flood); err != nil {
						if errors.Is(err, os.ErrDeadlineExceeded) {
							t.Fatal("the server stops reading, and does not end the connection")
						}
						return
					}
					if sent > 10_000 {
						t.Fatal("the server takes any number of frames")
					}
				}
			})
		})
	}
}

// TestUnreadAnswersOfTLSEndTheConnection: crypto/tls answers new keys and alerts by itself, below the frames. A client that does not read, and sends
// only frames without an answer, could make the server keep any number of these records.
func TestUnreadAnswersOfTLSEndTheConnection(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := serve(t, "tls", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		below := r.Context().Value(key{}).(*tls.Conn).NetConn()
		_, _ = below.Write(make([]byte, 8<<20)) // more than the kernel takes, as many records of TLS
	}), func(hs *http.Server) {
		hs.ConnContext = func(ctx context.Context, conn net.Conn) context.Context { return context.WithValue(ctx, key{}, conn) }
	})
	p := connect(t, s)
	p.get(1, "/")
	for {
		if err := p.in.WriteWindowUpdate(0, 1); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server keeps everything")
		} else if err != nil {
			return
		}
	}
}

// smallBuffer is an [http.Server.ConnContext] that keeps the kernel from taking many bytes.
func smallBuffer(ctx context.Context, conn net.Conn) context.Context {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			_ = c.SetWriteBuffer(64 << 10)
			return ctx
		case *socket.Conn:
			conn = c.Conn
		case *tls.Conn:
			conn = c.NetConn()
		default:
			return ctx
		}
	}
}

// TestHeadersAreBounded: too large a header is answered with 431, and one that does not end closes the connection.
func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, "plain", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler is called") }),
		func(hs *http.Server) { hs.MaxHeaderBytes = 8 << 10 })
	p := connect(t, s)
	p.get(1, "/", "x-a", strings.Repeat("x", 5<<10), "x-b", strings.Repeat("x", 5<<10))
	if status := p.head(1)[":status"]; status != "431" {
		t.Error(status)
	}

	p = connect(t, s)
	p.check(p.in.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fields(":method", "GET"), EndStream: true}))
	go func() {
		for p.in.WriteContinuation(1, false, p.fields("x-more", strings.Repeat("x", 1000))) == nil {
			continue
		}
	}()
	p.closed()
}

// TestHeaderMayNotArriveSlowly: a block that has begun must be complete in time.
func TestHeaderMayNotArriveSlowly(t *testing.T) {
	t.Parallel()
	s := serve(t, "tls", http.NotFoundHandler(), func(hs *http.Server) { hs.ReadHeaderTimeout = 4 * time.Second })
	p := connect(t, s)
	p.get(1, "/") // in time
	p.head(1)
	p.check(p.in.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(":method", "GET"), EndStream: true}))
	p.closed()
}

// TestPrefaceMustArriveInTimeForHeaders: it had ten seconds, whatever the time for headers was.
func TestPrefaceMustArriveInTimeForHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, "tls", http.NotFoundHandler(), func(hs *http.Server) { hs.ReadHeaderTimeout = 4 * time.Second })
	conn, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(9 * time.Second)); err != nil { // sooner than the ten seconds
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}

// TestSilentConnectionIsClosed: a client that sends nothing, or has no stream, does not keep its connection.
func TestSilentConnectionIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, "tls", http.NotFoundHandler(), func(hs *http.Server) { hs.IdleTimeout = time.Second })
	p := connect(t, s)
	if code := p.goAway(); code != http2.ErrCodeNo {
		t.Error(code)
	}
	p.closed()
}

// TestConnectionsWithoutStreamsLeaveWithoutKeepAlives, and the others when their last stream ends. New ones may still send their first request.
func TestConnectionsWithoutStreamsLeaveWithoutKeepAlives(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		var setKeepAlives func(bool)
		began, release := make(chan struct{}, 1), make(chan struct{})
		handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/waits" {
				began <- struct{}{}
				<-release
			}
		})
		s := serveWith(t, way, handler, func(hs *http.Server) { setKeepAlives = h2.Configure(hs, h2.Options{WriteTimeout: patience}) })
		idle, busy, fresh := connect(t, s), connect(t, s), connect(t, s)
		idle.get(1, "/")
		idle.head(1)
		busy.get(1, "/waits")
		<-began
		setKeepAlives(false)
		if code := idle.goAway(); code != http2.ErrCodeNo {
			t.Error(code)
		}
		idle.closed()
		close(release)
		for _, p := range []*peer{busy, fresh} {
			if p == fresh {
				p.get(1, "/")
			}
			if status := p.head(1)[":status"]; status != "200" {
				t.Errorf("status %q", status)
			}
			if code := p.goAway(); code != http2.ErrCodeNo {
				t.Error(code)
			}
			p.closed()
		}
		setKeepAlives(true)
		stays := connect(t, s)
		for _, id := range []uint32{1, 3} {
			stays.get(id, "/")
			stays.head(id)
		}
	})
}

// TestBodyIsBoundedByItsWindow: a client that ignores the window is cut off, and one that the handler does not read waits.
func TestBodyIsBoundedByItsWindow(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, "plain", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }), nil)
	defer close(release)
	p := connect(t, s)
	p.open(1, false, "POST", "/")
	go func() {
		for p.in.WriteData(1, false, make([]byte, 16<<10)) == nil {
			continue
		}
	}()
	if code := p.goAway(); code != http2.ErrCodeFlowControl {
		t.Error(code)
	}
}

// TestUnreadBodiesGiveTheirWindowBack: bodies that handlers do not read must not use up the window of the connection.
func TestUnreadBodiesGiveTheirWindowBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		s := serve(t, way, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/read" {
				n, _ := io.Copy(io.Discard, r.Body)
				if n != 100_000 {
					w.WriteHeader(http.StatusTeapot)
				}
			}
		}), nil)
		for i := range 60 {
			path := "/"
			if i%2 == 0 {
				path = "/read"
			}
			resp, err := s.Client().Post(s.URL+path, "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp.Status, err)
			}
		}
	})
}

// TestTooManyStreamsAreRefused: the client may try again, and the open streams go on.
func TestTooManyStreamsAreRefused(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, "plain", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }),
		func(hs *http.Server) { hs.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2} })
	p := connect(t, s)
	p.get(1, "/")
	p.get(3, "/")
	p.get(5, "/")
	if code := p.resetOf(5); code != http2.ErrCodeRefusedStream {
		t.Error(code)
	}
	close(release)
	for range 2 {
		if f, ok := p.next().(*http2.HeadersFrame); !ok || f.StreamID > 3 {
			t.Errorf("%v", f)
		}
	}
}
