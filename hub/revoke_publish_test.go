package hub_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestABodyUnderWayIsRefusedWhenItsSenderIsRevoked: a body of one event was stored, and the topics of a streamed one ended, after the
// revocation was answered.
func TestABodyUnderWayIsRefusedWhenItsSenderIsRevoked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ path, kind, before, after string }{
		"one event":       {"/events/news", "text/plain", "one", " more"},
		"topics that end": {"/events/news?end=1", "application/x-ndjson", "\n", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
			header := bearer(k.token(old("ann", "a1")))
			header["Content-Type"], header["Expect"] = test.kind, "100-continue" // the body is asked for when its sender has been let in
			r, w := io.Pipe()
			answered := make(chan answer, 1)
			go func() {
				answered <- k.send(request{method: http.MethodPost, path: test.path, reader: r, header: header})
			}()
			fmt.Fprint(w, test.before)
			k.revoke(`{"sub":"ann"}`)
			head := k.log.Head()
			fmt.Fprint(w, test.after)
			_ = w.Close()
			refused(t, name, <-answered, http.StatusUnauthorized, "unauthorized", "revoked")
			if got := k.log.Head(); got != head {
				t.Errorf("the log went on to %v", got)
			}
		})
	}
}
