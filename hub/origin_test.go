package hub_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// lockedBuffer is a buffer for log lines, safe for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestRefusedOriginsAreLogged: a browser reports a refusal by CORS only in its console, and the answer has status 200. The operator's log
// says which origin was refused.
func TestRefusedOriginsAreLogged(t *testing.T) {
	var log lockedBuffer
	s := serve(t, mustMemory(t, nil), &hub.Options{
		AllowOrigins: []string{"http://friend.example"}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, transports[0])
	visit := func(method, origin string) {
		s.send(request{method: method, path: "/events/news?poll=1", header: map[string]string{"Origin": origin}})
	}
	visit(http.MethodGet, "http://friend.example")
	visit(http.MethodGet, s.url)
	if log.String() != "" {
		t.Errorf("the log has a warning for the hub's own page: %s", log.String())
	}
	visit(http.MethodGet, "http://localhost:3005")
	visit(http.MethodGet, "http://localhost:3005")
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "origin=http://localhost:3005\n") {
		t.Errorf("the log has %q, want one line with the origin", got)
	}
	for i := range 100 {
		visit(http.MethodPost, fmt.Sprint("http://made-up.example:", i+1))
	}
	if n := strings.Count(log.String(), "\n"); n != 20 {
		t.Errorf("made-up origins have caused %d log lines", n)
	}
}
