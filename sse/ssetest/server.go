package ssetest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// Server is a [Script] behind an HTTP/1.1 server. The server closes each connection after its response, because HTTP
// clients such as net/http's silently repeat a request when a reused connection fails.
type Server struct {
	*Script

	// URL is the server's URL without a path, such as http://sse.example. An in-memory server accepts any host.
	URL string

	// Listener is the network of an in-memory server, nil over TCP.
	Listener *Listener

	http   *http.Server
	client *http.Client
	served chan struct{}
}

// NewServer starts an in-memory server that sends the answers in order. The end of the test closes it. If it is created
// in a synctest bubble, its clients must run in the same bubble.
func NewServer(t testing.TB, answers ...Answer) *Server {
	l := NewListener()
	return serve(t, l, &Server{URL: "http://sse.example", Listener: l, client: l.Client()}, answers)
}

// NewTCPServer is [NewServer] on a free TCP port of the loopback interface. It does not work in a synctest bubble.
func NewTCPServer(t testing.TB, answers ...Answer) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("ssetest: listening on a TCP port: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	return serve(t, l, &Server{URL: "http://" + l.Addr().String(), client: client}, answers)
}

func serve(t testing.TB, l net.Listener, s *Server, answers []Answer) *Server {
	s.Script = NewScript(t, answers...)
	s.served = make(chan struct{})
	s.http = &http.Server{
		Handler:     s.Script,
		ConnContext: rememberScheme,
		ErrorLog:    log.New(io.Discard, "", 0), // the scripts cause errors on purpose
	}
	s.http.SetKeepAlivesEnabled(false)
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // http.ErrServerClosed
	}()
	t.Cleanup(s.Close)
	return s
}

// Client returns an HTTP client for the server, without a timeout or a cookie jar. Every call returns the same client.
func (s *Server) Client() *http.Client { return s.client }

// Close stops the server, closes its connections and waits for its answers to end. It can be called more than once.
func (s *Server) Close() {
	// Stop the script first, which ends waiting steps. Then close the connections, which ends writes to clients that do
	// not read. After both, every answer ends.
	s.stop()
	_ = s.http.Close() // an error of the listener has no consequence
	<-s.served
	s.wait()
	s.client.CloseIdleConnections()
}

type secureKey struct{}

func rememberScheme(ctx context.Context, c net.Conn) context.Context {
	if m, ok := c.(*Conn); ok && m.secure {
		return context.WithValue(ctx, secureKey{}, true)
	}
	return ctx
}

// fullURL returns the URL of the request with the scheme and host that the client used.
func fullURL(r *http.Request) *url.URL {
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	if secure, _ := r.Context().Value(secureKey{}).(bool); secure || r.TLS != nil {
		u.Scheme = "https"
	}
	return &u
}
