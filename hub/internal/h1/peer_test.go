package h1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/h1"
)

// patience is how long a test waits before it fails. It measures nothing.
const patience = 20 * time.Second

// site is a server whose publishers are served by package h1.
type site struct {
	*testing.T
	h1    *h1.Server
	open  func() (net.Conn, error)
	taken atomic.Int64 // connections that are taken over
	takes atomic.Int64 // connections that were taken over
	io    countedListener
	log   logText
}

// serve starts a server. Requests to /other and below are not for package h1.
func serve(t *testing.T, handler http.HandlerFunc, change ...func(*http.Server)) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, handler, change...)
}

func serveOn(t *testing.T, l net.Listener, open func() (net.Conn, error), handler http.HandlerFunc, change ...func(*http.Server)) *site {
	t.Helper()
	s := &site{T: t, open: open}
	s.io.Listener = l
	hs := &http.Server{Handler: handler, ErrorLog: log.New(&s.log, "", 0)}
	for _, f := range change {
		f(hs)
	}
	s.h1 = h1.Configure(hs, h1.Options{
		Serves: func(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/other") },
		Count: func(n int) {
			if s.taken.Add(int64(n)); n > 0 {
				s.takes.Add(1)
			}
		},
	})
	var serving sync.WaitGroup
	serving.Go(func() { _ = hs.Serve(&s.io) }) // ends with http.ErrServerClosed
	t.Cleanup(func() {
		s.h1.Shutdown(nil)
		_ = hs.Close() // closes connections; the clients may have closed them
		serving.Wait()
		if n := s.taken.Load(); n != 0 {
			t.Errorf("%d connections are taken over at the end", n)
		}
	})
	return s
}

// echo answers with what it has read.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestTimeout)
		return
	}
	w.Header().Set("X-Query", r.URL.RawQuery)
	w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
	for name, values := range r.Header {
		w.Header()["Echo-"+name] = values
	}
	_, _ = fmt.Fprintf(w, "%s %s %s %s: %d bytes, %.1000s", r.Method, r.URL.Path, r.Host, r.Proto, len(body), body)
}

// peer is a connection to a server.
type peer struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

func (s *site) dial() *peer {
	s.Helper()
	c, err := s.open()
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() }) // it may be closed
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	return &peer{s.T, c, bufio.NewReader(c)}
}

// dialTaken returns a connection that package h1 serves.
func (s *site) dialTaken() *peer {
	s.Helper()
	before := s.takes.Load()
	c := s.dial()
	c.write(post("/first", "", "x"))
	if a := c.answer(); a.StatusCode != http.StatusOK || s.takes.Load() == before {
		s.Fatalf("the connection is not taken over: %s", a.Status)
	}
	return c
}

func post(path, fields, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", path, fields, len(body), body)
}

func (p *peer) write(text string) {
	p.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.Fatal(err)
	}
}

// answered is a response with its whole body.
type answered struct {
	*http.Response
	body string
}

func (p *peer) answer() answered {
	p.Helper()
	a, err := p.tryAnswer()
	if err != nil {
		p.Fatal(err)
	}
	return a
}

func (p *peer) tryAnswer() (answered, error) {
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answered{resp, string(body)}, err
}

// ends checks that the server closes the connection.
func (p *peer) ends() {
	p.Helper()
	if b, err := p.in.ReadByte(); err == nil {
		p.Fatalf("the connection goes on with %q", b)
	}
}

// logText is a log that can be read while it is written.
type logText struct {
	mu   sync.Mutex // guards the following
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// countedListener counts the reads and writes of its connections.
type countedListener struct {
	net.Listener
	reads, writes atomic.Int64
}

func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l}, err
}

type countedConn struct {
	net.Conn
	l *countedListener
}

func (c countedConn) Read(b []byte) (int, error) {
	c.l.reads.Add(1)
	return c.Conn.Read(b)
}

func (c countedConn) Write(b []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(b)
}
