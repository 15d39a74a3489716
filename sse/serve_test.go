package sse_test

import (
	"context"
	"net"
	"net/http"
	"testing"
)

// serve serves h in memory, for bubbles, and returns a client that reaches it under any host's name.
func serve(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	return serveWith(t, &http.Server{Handler: h}, http1)
}

// protocol is what client and server speak: the tests of the server run over each.
type protocol func(p *http.Protocols)

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func http2(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }

var protocols = map[string]protocol{"HTTP1": http1, "HTTP2": http2}

func serveWith(t *testing.T, s *http.Server, speak protocol) *http.Client {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	s.Protocols = new(http.Protocols)
	speak(s.Protocols)
	transport := &http.Transport{DialContext: l.dial, Protocols: s.Protocols}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // always ErrServerClosed
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = s.Close()
		<-ended
	})
	return &http.Client{Transport: transport}
}

// pipeListener accepts what its own dial connects, without any buffer between: a write waits for its reader.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.done)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
