package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// stopping is a hub in a bubble that stops, on networks in memory. Its write timeout is an hour, so that only the stop ends a stalled stream.
type stopping struct {
	*testing.T
	hub                  *hub.Hub
	plain, secure, admin *ssetest.Listener
	log                  *awaited
	ask                  context.CancelFunc
	ended                chan error
}

// startStopping starts a hub. layer, unless nil, is around its plain listener.
func startStopping(t *testing.T, layer func(net.Listener) net.Listener) *stopping {
	t.Helper()
	events, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(events, &hub.Options{WriteTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(writePair(t, t.TempDir(), 1))
	if err != nil {
		t.Fatal(err)
	}
	s := &stopping{T: t, hub: h, plain: ssetest.NewListener(), secure: ssetest.NewListener(), admin: ssetest.NewListener(), log: newAwaited(), ended: make(chan error, 1)}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := &hubServer{
		hub: h, handler: h, logger: logger, grace: drainTime, h2c: true,
		beside: []func(context.Context){(&place{listeners: []net.Listener{s.admin}}).serve(hangs, logger)},
	}
	var plain net.Listener = s.plain
	if layer != nil {
		plain = layer(plain)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.ask = cancel
	go func() {
		err := server.serve(ctx, plain, tls.NewListener(s.secure, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}))
		s.ended <- errors.Join(err, events.Close())
	}()
	synctest.Wait()
	return s
}

// stop asks the hub to stop and waits until it has. It returns how long that took.
func (s *stopping) stop() time.Duration {
	s.Helper()
	began := time.Now()
	s.ask()
	s.check(<-s.ended)
	return time.Since(began)
}

func (s *stopping) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// dial opens a connection, with TLS if protocol is not empty.
func (s *stopping) dial(l *ssetest.Listener, protocol string) net.Conn {
	s.Helper()
	conn, err := l.Dial(s.Context())
	s.check(err)
	s.Cleanup(func() { _ = conn.Close() })
	if protocol == "" {
		return conn
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	s.check(secure.Handshake())
	return secure
}

// follow opens a stream over HTTP/1.1, and reads nothing.
func (s *stopping) follow(conn net.Conn) {
	s.Helper()
	s.write(conn, "GET /events/news HTTP/1.1\r\nHost: hub.example\r\n\r\n")
}

func (s *stopping) write(conn net.Conn, text string) {
	s.Helper()
	_, err := io.WriteString(conn, text)
	s.check(err)
	synctest.Wait()
}

// followHTTP2 opens a stream over HTTP/2, and reads nothing.
func (s *stopping) followHTTP2(conn net.Conn, window uint32) {
	s.Helper()
	followHTTP2(s.T, conn, window)
	synctest.Wait()
}

// followHTTP2 opens stream 1 of a new connection. The client takes as many bytes of it as window says.
func followHTTP2(t *testing.T, conn net.Conn, window uint32) *http2.Framer {
	t.Helper()
	return requestHTTP2(t, conn, "/events/news", window)
}

// requestHTTP2 is followHTTP2 with any path.
func requestHTTP2(t *testing.T, conn net.Conn, path string, window uint32) *http2.Framer {
	t.Helper()
	frames := http2.NewFramer(conn, conn)
	_, err := io.WriteString(conn, http2.ClientPreface)
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", path}} {
		err = errors.Join(err, fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	err = errors.Join(err,
		frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}),
		frames.WriteWindowUpdate(0, 1<<30),
		frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// fill publishes more than a connection and the hub's buffers for it hold.
func (s *stopping) fill() {
	s.Helper()
	for range 16 {
		_, err := s.hub.Publish(s.Context(), hub.Event{Topics: []string{"news"}, Data: strings.Repeat("x", 64<<10)})
		s.check(err)
	}
	synctest.Wait()
}

// halfARequest sends a request whose body has two bytes, and the first of them.
func (s *stopping) halfARequest(conn net.Conn) {
	s.Helper()
	s.write(conn, "POST /events/news HTTP/1.1\r\nHost: hub.example\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nh")
}

const largeWindow = 1 << 30

// TestStopTakesTheGraceAtMost, whatever clients do not read or do not send: streams and requests had the grace one after the other, and connections
// over HTTP/2, the server for administrators and that for the CA came on top.
func TestStopTakesTheGraceAtMost(t *testing.T) {
	faults := map[string]func(s *stopping){
		"HTTP/1.1":          func(s *stopping) { s.follow(s.dial(s.plain, "")) },
		"HTTP/1.1 with TLS": func(s *stopping) { s.follow(s.dial(s.secure, "http/1.1")) },
		"HTTP/2":            func(s *stopping) { s.followHTTP2(s.dial(s.plain, ""), largeWindow) },
		"HTTP/2 with TLS":   func(s *stopping) { s.followHTTP2(s.dial(s.secure, "h2"), largeWindow) },
		"HTTP/2 without a window, and without an answer to the end of the connection": func(s *stopping) {
			conn := s.dial(s.secure, "h2")
			s.followHTTP2(conn, 0)
			go func() { _, _ = io.Copy(io.Discard, conn) }() // until the hub closes the connection
		},
		"a request without its end": func(s *stopping) { s.halfARequest(s.dial(s.plain, "")) },
	}
	all := func(s *stopping) {
		for _, fault := range faults {
			fault(s)
		}
		s.dial(s.plain, "") // sends no request
		s.dial(s.admin, "")
		s.follow(s.dial(s.admin, "")) // gets no answer
	}
	run := func(name string, fault func(*stopping)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startStopping(t, nil)
				fault(s)
				s.fill()
				if took := s.stop(); took > drainTime {
					t.Errorf("the stop took %v, %v longer than its grace", took, took-drainTime)
				}
				if text, _ := s.log.now(); !regexp.MustCompile(`msg=stopped streams=\d cut=true took=\S+\n`).MatchString(text) {
					t.Errorf("the log does not say that connections were cut:\n%s", text)
				}
			})
		})
	}
	for name, fault := range faults {
		run(name, fault)
	}
	run("all of them", all)
}

// TestStopIsQuickWhenClientsRead: the grace is a limit, and not a pause.
func TestStopIsQuickWhenClientsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStopping(t, nil)
		for _, conn := range []net.Conn{s.dial(s.plain, ""), s.dial(s.secure, "http/1.1")} {
			s.follow(conn)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
		s.fill()
		if took := s.stop(); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
		if text, _ := s.log.now(); !strings.Contains(text, "msg=stopped streams=2 cut=false ") {
			t.Errorf("the log:\n%s", text)
		}
	})
}

// TestPublisherIsAnsweredAlthoughASubscriberStalls: streams leave a part of the grace to requests.
func TestPublisherIsAnsweredAlthoughASubscriberStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStopping(t, nil)
		s.follow(s.dial(s.secure, "http/1.1"))
		s.followHTTP2(s.dial(s.secure, "h2"), largeWindow)
		publisher := s.dial(s.plain, "")
		s.halfARequest(publisher)
		s.fill()
		began := time.Now()
		s.ask()
		pass(drainTime - drainTime/forRequests)
		if n := s.hub.Streams(); n != 0 {
			t.Errorf("%d streams are open %v after the hub was asked to stop", n, time.Since(began))
		}
		pass(drainTime / forRequests / 2)
		s.write(publisher, "i")
		answer, err := http.ReadResponse(bufio.NewReader(publisher), nil)
		s.check(err)
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || err != nil {
			t.Errorf("%s %s, %v", answer.Status, text, err)
		}
		s.check(<-s.ended)
	})
}

// sticky is a listener whose connections do not close until release is closed.
type sticky struct {
	net.Listener
	release chan struct{}
}

// Accept implements [net.Listener].
func (l *sticky) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stickyConn{conn, l.release}, nil
}

type stickyConn struct {
	net.Conn
	release chan struct{}
}

// Close implements [net.Conn].
func (c *stickyConn) Close() error {
	<-c.release
	return c.Conn.Close()
}

// TestStopDoesNotWaitForAConnectionThatDoesNotClose: TLS says goodbye first, which blocks for seconds if the client has stalled.
func TestStopDoesNotWaitForAConnectionThatDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := startStopping(t, func(l net.Listener) net.Listener { return &sticky{l, release} })
		conn := s.dial(s.plain, "")
		s.write(conn, "GET /healthz HTTP/1.1\r\nHost: hub.example\r\n\r\n") // the connection is then idle
		if took := s.stop(); took > drainTime {
			t.Errorf("the stop took %v, %v longer than its grace", took, took-drainTime)
		}
		close(release)
	})
}
