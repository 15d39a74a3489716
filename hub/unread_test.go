package hub_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// TestUnreadBodyHasADeadline: after a handler returns, net/http reads the rest of the body without a deadline of its own. The hub sets one,
// so that clients cannot keep connections forever.
func TestUnreadBodyHasADeadline(t *testing.T) {
	t.Parallel()
	_, addr := serveExposed(t, hub.Options{BodyTimeout: 100 * time.Millisecond, Authorize: policyOf(mustSigner(t), "public")})
	for name, line := range map[string]string{
		"refused":      "POST /events/news",
		"unknown path": "POST /nothing",
		"not allowed":  "DELETE /events/news",
		"healthz":      "GET /healthz",
		"revoke":       "POST /api/v1/revoke",
		"topics":       "GET /api/v1/topics",
		"poll":         "GET /events/public?poll=1",
		"preflight":    "OPTIONS /events/news",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, addr)
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", line)
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if answer, err := io.ReadAll(conn); err != nil || len(answer) == 0 {
				t.Errorf("%v after %q", err, answer)
			}
		})
	}
}
