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

// Server is a [Script] with an HTTP/1.1 server around it. Every request needs a connection of its own, since the server
// keeps none alive: net/http's client, for one, repeats a request by itself when a reused connection fails.
type Server struct {
	*Script

	// URL is where the server is reached, such as http://sse.example, without a path. In memory any other host does as
	// well.
	URL string

	// Listener is the network of a server in memory, nil over TCP.
	Listener *Listener

	http   *http.Server
	client *http.Client
	served chan struct{}
}

// NewServer starts a server in memory that gives the answers in turn. It is closed at the end of the test. Made
// in a synctest bubble, it and its clients belong in there.
func NewServer(t testing.TB, answers ...Answer) *Server {
	l := NewListener()
	return serve(t, l, &Server{URL: "http://sse.example", Listener: l, client: l.Client()}, answers)
}

// NewTCPServer starts the same server on a free port of the loopback interface, which no bubble can follow.
func NewTCPServer(t testing.TB, answers ...Answer) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("ssetest: no port to listen on: %v", err)
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
		ErrorLog:    log.New(io.Discard, "", 0), // what goes wrong is the script's doing
	}
	s.http.SetKeepAlivesEnabled(false)
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // http.ErrServerClosed
	}()
	t.Cleanup(s.Close)
	return s
}

// Client returns the HTTP client for the server, always the same. It has no timeout and no cookie jar.
func (s *Server) Client() *http.Client { return s.client }

// Close stops the server, breaks off its connections and waits for its answers to end. It may be called more than
// once.
func (s *Server) Close() {
	// The script first, so that a step which waits ends. Then the connections, or a write to a client that reads no
	// more would not. Only then can the answers be waited for.
	s.stop()
	_ = s.http.Close() // the listener's error, of which nothing follows
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

// fullURL returns the URL that the client meant.
func fullURL(r *http.Request) *url.URL {
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	if secure, _ := r.Context().Value(secureKey{}).(bool); secure || r.TLS != nil {
		u.Scheme = "https"
	}
	return &u
}
