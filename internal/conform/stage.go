package conform

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// stage is where a case happens: a script behind two origins. The host a.example of the cases is 127.0.0.1, and b.example is localhost.
type stage struct {
	script  *ssetest.Script
	origins *strings.Replacer // from the hosts of the cases to those of the stage
	servers []*http.Server
	tb      *outside
	fault   error // it could not be set up
}

// outside stands in for the test that a Script reports to: requests beyond the script are faults of the client, which are found elsewhere.
type outside struct {
	testing.TB
	mu      sync.Mutex // guards the following field
	cleanup []func()
}

func (o *outside) Helper()               {}
func (o *outside) Errorf(string, ...any) {}
func (o *outside) Cleanup(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cleanup = append(o.cleanup, f)
}

// newStage answers requests with the answers in turn, and all others with otherwise. Pages of all origins may read the answers, so that a
// browser can be under test.
func newStage(otherwise ssetest.Answer, answers ...ssetest.Answer) *stage {
	s := &stage{tb: &outside{}}
	s.script = ssetest.NewScript(s.tb)
	var addresses []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.fault = err
			return s
		}
		addresses = append(addresses, l.Addr().String())
		server := &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
		s.servers = append(s.servers, server)
		go func() { _ = server.Serve(l) }() // it ends with close; no client knows the address yet
	}
	s.origins = strings.NewReplacer("http://a.example", "http://"+addresses[0], "http://b.example", "http://"+strings.Replace(addresses[1], "127.0.0.1", "localhost", 1))
	for _, a := range answers {
		if to := a.Header.Get("Location"); to != "" {
			a = a.With("Location", s.origins.Replace(to))
		}
		s.script.Add(readable(a))
	}
	s.script.Otherwise(readable(otherwise))
	return s
}

func readable(a ssetest.Answer) ssetest.Answer {
	if a.Status == 0 {
		return a
	}
	return a.With("Access-Control-Allow-Origin", "*").With("Connection", "close")
}

// serve answers a request for an icon, which browsers send unasked, and otherwise plays the script.
func (s *stage) serve(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	case "/blank": // a page of this origin
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>conformance</title>"))
	default:
		s.script.ServeHTTP(w, req)
	}
}

func (s *stage) close() {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	for _, server := range s.servers {
		_ = server.Shutdown(ctx) // closes the listener at once
	}
	for _, f := range s.tb.cleanup {
		f()
	}
	for _, server := range s.servers {
		_ = server.Close()
	}
}
