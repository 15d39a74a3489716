package hub_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// BenchmarkRevoke measures the time to revoke 800 subjects with 10 streams each, one after the other, until all streams have ended. That is
// one operation.
func BenchmarkRevoke(b *testing.B) {
	const subjects, each = 800, 10
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		b.Fatal(err)
	}
	h, err := hub.New(log, &hub.Options{Authorize: func(r *http.Request) (access.Grant, error) {
		g := access.Everything()
		g.Subject, g.IssuedAt = r.Header.Get("X-Subject"), time.Now() // each stream has a new token
		return g, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	defer func() { _ = h.Shutdown(b.Context()) }()
	for b.Loop() {
		b.StopTimer()
		var conns []net.Conn
		for i := range subjects * each {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			conns = append(conns, conn)
			_, _ = fmt.Fprintf(conn, "GET /events/news HTTP/1.1\r\nHost: x\r\nX-Subject: user %d\r\n\r\n", i/each)
			if line, err := bufio.NewReaderSize(conn, 64).ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
				b.Fatal(line, err)
			}
		}
		for h.Streams() < len(conns) {
			runtime.Gosched()
		}
		b.StartTimer()
		for i := range subjects {
			if err := h.Revoke(access.Revocation{Subject: fmt.Sprint("user ", i), At: time.Now()}); err != nil {
				b.Fatal(err)
			}
		}
		for h.Streams() > 0 {
			runtime.Gosched()
		}
		b.StopTimer()
		for _, conn := range conns {
			_ = conn.Close()
		}
		b.StartTimer()
	}
}
