// Package h2 serves HTTP/2 (RFC 9113) for an http.Server, and lets other goroutines write to streams whose handlers have returned.
//
// net/http accepts connections, speaks TLS and chooses the protocol. [Configure] takes it from there: each request is a call of the server's
// handler, as with net/http. A handler may call [Detach]: it returns, and what remains of its request is a [Stream] of a few hundred bytes. Many
// streams of a connection share one buffer, so that one write to the socket serves all of them.
//
// # A connection
//
//	socket ─▶ read ─▶ frames ─▶ headers ─▶ handler ─▶ response ─▶ out ─▶ socket
//	                      │  └─▶ data ─▶ body ──▲                  ▲
//	                      └ windows, resets ──────▶ Stream: Send ──┘
//
// One goroutine reads frames. Everything that changes the state of the connection holds its mutex, for a short time and without blocking.
// Frames gather in one buffer, out, until flush sends them. Only handlers wait: for windows, for room in the buffer, for a body.
//
// # What bounds a client
//
// A connection has at most [http.HTTP2Config].MaxConcurrentStreams streams, and as many handlers: a stream that the client resets counts until its
// handler has returned. At most 64 KiB of data wait for a client that does not read; further data waits in its stream. A connection with more than
// 64 KiB of unread control frames beside them is closed. Bodies have windows. The Framer of x/net limits header blocks.
//
// Server push, extended CONNECT (RFC 8441) and priorities are not supported.
package h2

import (
	"bufio"
	"context"
	"crypto/tls"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// Options are the settings of the connections of a server.
type Options struct {
	// WriteTimeout is how long a client may accept no bytes before its connection is closed, and how long it may give an answer no window before the
	// answer is broken off. 0: no limit
	WriteTimeout time.Duration
}

// Keys of [http.Server.TLSNextProto]. net/http calls the second one for connections that begin with HTTP/2 without TLS.
const (
	overTLS   = "h2"
	unsecured = "unencrypted_http2"
)

// Configure makes a server use this package for HTTP/2. It is called before the server serves.
//
// The result does for HTTP/2 what [http.Server.SetKeepAlivesEnabled] does for HTTP/1.1. With false, connections without streams leave, and the others
// when their last stream ends: the client is told to open no more streams, and the connection is closed. Call it again for connections that
// were too new for that.
func Configure(hs *http.Server, o Options) (setKeepAlives func(bool)) {
	s := &server{hs: hs, o: o, maxStreams: defaultStreams, conns: make(map[*conn]struct{})}
	if hs.HTTP2 != nil && hs.HTTP2.MaxConcurrentStreams > 0 {
		s.maxStreams = uint32(hs.HTTP2.MaxConcurrentStreams)
	}
	if hs.TLSNextProto == nil {
		hs.TLSNextProto = make(map[string]func(*http.Server, *tls.Conn, http.Handler))
	}
	hs.TLSNextProto[overTLS] = func(_ *http.Server, conn *tls.Conn, handler http.Handler) { s.serveTLS(conn, handler) }
	hs.TLSNextProto[unsecured] = func(_ *http.Server, conn *tls.Conn, handler http.Handler) { s.serveUnsecured(conn, handler) }
	hs.RegisterOnShutdown(s.shutDown)
	return s.setKeepAlives
}

const (
	defaultStreams = 250

	// largestFrame is the size of the largest frame that is accepted, and that is sent: the default of the protocol, which keeps buffers small.
	largestFrame = 16 << 10

	// readBuffer is the size of the buffer for reading frames without TLS.
	readBuffer = 4 << 10

	// largestHeader is the default of http.Server.MaxHeaderBytes.
	largestHeader = http.DefaultMaxHeaderBytes

	// greetTime limits the time until the client has sent its preface and its settings, if the time for headers has no limit.
	greetTime = 10 * time.Second
)

// server is the state that the connections of a server share.
type server struct {
	hs         *http.Server
	o          Options
	maxStreams uint32
	brief      atomic.Bool // connections end when they have no streams

	mu      sync.Mutex // guards the following
	conns   map[*conn]struct{}
	closing bool
}

func (s *server) serveTLS(secure *tls.Conn, handler http.Handler) {
	c := s.newConn(secure, handler)
	if sock, ok := socket.Of(secure.NetConn()); ok && sock == secure.NetConn() {
		sock.Tune(s.o.WriteTimeout)
		sock.Gather() // the handshake is over
		c.sock, c.secure = sock, secure
	}
	if state := secure.ConnectionState(); !strongEnough(&state) {
		c.refuse(http2.ErrCodeInadequateSecurity)
		return
	}
	c.serve(true)
}

// serveUnsecured serves a connection without TLS. net/http has read the preface. It passes the plain connection inside a
// *tls.Conn without TLS, because TLSNextProto has that type.
func (s *server) serveUnsecured(envelope *tls.Conn, handler http.Handler) {
	inner, ok := envelope.NetConn().(interface{ UnencryptedNetConn() net.Conn })
	if !ok {
		return
	}
	c := s.newConn(inner.UnencryptedNetConn(), handler)
	if sock, ok := socket.Of(c.net); ok {
		sock.Tune(s.o.WriteTimeout)
		sock.Gather()
		c.sock, c.net = sock, sock
	}
	c.in = bufio.NewReaderSize(c.net, readBuffer) // TLS has a buffer of its own
	c.serve(false)
}

// strongEnough reports whether a connection has the TLS version and the cipher suite that HTTP/2 asks for (RFC 9113, section 9.2).
func strongEnough(state *tls.ConnectionState) bool {
	return state.Version >= tls.VersionTLS13 || state.Version == tls.VersionTLS12 && slices.Contains(strong, state.CipherSuite)
}

// strong are the cipher suites of TLS 1.2 that crypto/tls has and that appendix A of RFC 9113 does not prohibit.
var strong = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// newConn returns the state of a connection. The handler of net/http knows the context of the connection.
func (s *server) newConn(nc net.Conn, handler http.Handler) *conn {
	c := &conn{
		server: s, known: nc, net: nc, in: nc, handler: handler, base: context.Background(), remote: nc.RemoteAddr().String(),
		streams: make(map[uint32]*Stream), began: time.Now(), window: defaultWindow, firstWindow: defaultWindow, frameSize: largestFrame,
	}
	c.changed.L = &c.mu
	if b, ok := handler.(interface{ BaseContext() context.Context }); ok {
		c.base = b.BaseContext()
	}
	c.base = context.WithValue(c.base, http.ServerContextKey, s.hs)
	return c
}

// add counts a connection, unless the server is closing.
func (s *server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// shutDown lets all connections end when their streams have ended.
func (s *server) shutDown() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	for _, c := range s.all() {
		c.shutDown()
	}
}

// setKeepAlives says whether connections stay open without streams.
func (s *server) setKeepAlives(keep bool) {
	if s.brief.Store(!keep); keep {
		return
	}
	for _, c := range s.all() {
		c.leaveIfIdle()
	}
}

// all returns the connections.
func (s *server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}

// maxHeaderList returns the limit of a header in the measure of HTTP/2, which counts 32 bytes more for each field (RFC 9113, section 6.5.2). As
// net/http, it allows for ten fields.
func (s *server) maxHeaderList() uint32 {
	n := s.hs.MaxHeaderBytes
	if n <= 0 {
		n = largestHeader
	}
	return uint32(n) + 10*32
}

// headerTime is how long a header block may take to arrive. 0: no limit
func (s *server) headerTime() time.Duration {
	if s.hs.ReadHeaderTimeout != 0 {
		return max(s.hs.ReadHeaderTimeout, 0)
	}
	return max(s.hs.ReadTimeout, 0)
}

// idleTime is how long a connection may have no stream. 0: no limit
func (s *server) idleTime() time.Duration {
	if s.hs.IdleTimeout != 0 {
		return max(s.hs.IdleTimeout, 0)
	}
	return max(s.hs.ReadTimeout, 0)
}

func (s *server) logf(format string, args ...any) {
	if s.hs.ErrorLog != nil {
		s.hs.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
