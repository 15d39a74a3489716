// Package h1 serves the plainest requests of HTTP/1.1 (RFC 9112): those of programs that publish one event after the other.
//
// net/http accepts a connection and reads its first request. If this is such a request, package h1 takes the connection over. From then on one
// goroutine reads requests, calls the handler of the server, and sends each answer with one write. A request that is not of the plain form goes
// back to net/http, with its connection and all of its bytes. So h1 refuses nothing itself, and the answer to a malformed request is that of
// net/http.
//
//	net/http ─▶ wrap: taken over? ─▶ conn: read ─▶ request: plain? ─▶ handler ─▶ response ─▶ write
//	   ▲                                 ▲                 │                           │
//	   │                                 └─────────────────┼───────────────────────────┘
//	   └──────────────── back ◀────────────────── no ──────┘
//
// A plain request is a POST or PUT without TLS, with a path, one Host and one Content-Length. It has no field that changes how the connection or the
// body is read, such as Transfer-Encoding, Expect and Upgrade, and its header has up to 4 KiB.
//
// # What differs from net/http
//
// Nothing reads from the connection while a handler does not read its body. So the context of a request does not end when the client disconnects, or
// when the handler returns; it ends with the connection. An answer is sent when the handler returns. If a handler calls Flush before that, the
// connection ends with the answer. Hijack is not supported.
package h1

import (
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say which requests a [Server] serves.
type Options struct {
	// Serves reports whether the handler may be called for requests with the method and the path of r.
	Serves func(r *http.Request) bool

	// Count is called with 1 when a connection was taken over, and with -1 when it was closed or given back.
	Count func(n int)
}

// Server takes over connections of an [http.Server]. It is safe for concurrent use.
type Server struct {
	hs      *http.Server
	o       Options
	handler http.Handler
	back    backListener
	serving sync.Once // begins to serve back
	date    atomic.Pointer[date]

	once atomic.Bool // connections end after a request

	mu      sync.Mutex // guards the following
	conns   map[*conn]struct{}
	closing bool
	empty   chan struct{} // closed when there is no connection after closing was set
}

// Configure returns a Server that takes over connections of hs. Call it before hs serves, when its Handler is set.
func Configure(hs *http.Server, o Options) *Server {
	s := &Server{hs: hs, o: o, handler: hs.Handler, conns: make(map[*conn]struct{}), empty: make(chan struct{})}
	if s.handler == nil {
		s.handler = http.DefaultServeMux
	}
	s.back.conns, s.back.over = make(chan net.Conn), make(chan struct{})
	if hs.ReadTimeout <= 0 && hs.WriteTimeout <= 0 { // net/http measures these times
		hs.Handler = http.HandlerFunc(s.wrap)
	}
	hs.RegisterOnShutdown(s.shutDown)
	return s
}

// wrap takes over the connection of a plain request, and serves every other one as before.
func (s *Server) wrap(w http.ResponseWriter, r *http.Request) {
	if !isPlain(r) || s.once.Load() || !s.o.Serves(r) {
		s.handler.ServeHTTP(w, r)
		return
	}
	c, ok := s.take(w, r)
	if !ok {
		s.handler.ServeHTTP(w, r)
		return
	}
	go c.serve(r) // net/http then releases its goroutine and its buffers
}

// take hijacks a connection, unless the server is closing.
func (s *Server) take(w http.ResponseWriter, r *http.Request) (*conn, bool) {
	c := newConn(s, r)
	if !s.add(c) {
		return nil, false
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.remove(c)
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.begin(nc, buffered.Reader)
	return c, true
}

func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.conns[c] = struct{}{}
	s.o.Count(1)
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.o.Count(-1)
	if s.closing && len(s.conns) == 0 {
		close(s.empty)
	}
}

// giveBack lets net/http continue with a connection, whose bytes in ahead were read already.
func (s *Server) giveBack(nc net.Conn, ahead []byte) {
	s.serving.Do(func() {
		go func() {
			_ = s.hs.Serve(&s.back) // returns when the server or this one is closed
			_ = s.back.Close()
		}()
	})
	select {
	case s.back.conns <- &Returned{Conn: nc, ahead: ahead}:
	case <-s.back.over:
		_ = nc.Close()
	}
}

// SetKeepAlivesEnabled is like that of [http.Server], for the connections that were taken over. If enabled is false, it closes those that wait
// for a request, the others end after their answer, and no others are taken over.
func (s *Server) SetKeepAlivesEnabled(enabled bool) {
	s.once.Store(!enabled)
	if !enabled {
		s.closeIdle()
	}
}

func (s *Server) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.closeIdle()
	}
}

// shutDown closes connections that wait for a request. The others end after their answer.
func (s *Server) shutDown() {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		if len(s.conns) == 0 {
			close(s.empty)
		}
	}
	s.mu.Unlock()
	_ = s.back.Close()
	s.SetKeepAlivesEnabled(false)
}

// Shutdown closes connections that wait for a request, and waits until the others have sent their answers. If stop is closed first, it closes
// them. It takes over no further connections.
func (s *Server) Shutdown(stop <-chan struct{}) {
	s.shutDown()
	select {
	case <-s.empty:
		return
	case <-stop:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.close()
	}
}

func (s *Server) logf(format string, args ...any) {
	if s.hs.ErrorLog != nil {
		s.hs.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// idleTime is how long a connection may wait for a request; headTime, how long a request may take to arrive. 0: no limit
func (s *Server) idleTime() time.Duration { return max(s.hs.IdleTimeout, 0) }
func (s *Server) headTime() time.Duration { return max(s.hs.ReadHeaderTimeout, 0) }

// date is the time in the header of answers.
type date struct {
	second int64
	text   string
}

// dateAt returns the Date of an answer. It formats a second once.
func (s *Server) dateAt(now time.Time) string {
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
