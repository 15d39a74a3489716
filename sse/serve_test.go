package sse_test

import (
	"net/http"
	"testing"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// serve serves h in memory, as synctest bubbles need, and returns a client that reaches it under any host name.
func serve(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	return serveWith(t, &http.Server{Handler: h}, http1)
}

// protocol selects the HTTP version of client and server. The tests of the server run over each.
type protocol func(p *http.Protocols)

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func http2(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }

var protocols = map[string]protocol{"HTTP1": http1, "HTTP2": http2}

func serveWith(t *testing.T, s *http.Server, speak protocol) *http.Client {
	t.Helper()
	l := ssetest.NewListener()
	s.Protocols = new(http.Protocols)
	speak(s.Protocols)
	transport := l.Transport()
	transport.Protocols = s.Protocols
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
