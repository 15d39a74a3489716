package hub_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// TestBodyInProgressIsRefusedAfterRevocation: after the answer to a revocation, a body in progress stores no event and ends no topic.
func TestBodyInProgressIsRefusedAfterRevocation(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ path, kind, before, after string }{
		"one event":       {"/events/news", "text/plain", "one", " more"},
		"topics that end": {"/events/news?end=1", "application/x-ndjson", "\n", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
			header := bearer(k.token(old("ann", "a1")))
			header["Content-Type"], header["Expect"] = test.kind, "100-continue" // the hub asks for the body after it has accepted the token
			r, w := io.Pipe()
			answered := k.sending(request{method: http.MethodPost, path: test.path, reader: r, header: header})
			fmt.Fprint(w, test.before)
			k.revoke(`{"sub":"ann"}`)
			head := k.log.Head()
			fmt.Fprint(w, test.after)
			_ = w.Close()
			refused(t, name, <-answered, http.StatusUnauthorized, "unauthorized", "revoked")
			if got := k.log.Head(); got != head {
				t.Errorf("the log has grown to %v", got)
			}
		})
	}
}

// TestStreamedBodyEndsAtOnceOnRevocation: a silent one too. Its publisher learns of the revocation before it sends another event.
func TestStreamedBodyEndsAtOnceOnRevocation(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		detail string
		happen func(k *keyed)
		grant  func(life time.Duration) access.Grant
	}{
		"revoked": {"revoked", func(k *keyed) { k.revoke(`{"sub":"ann"}`) }, func(time.Duration) access.Grant { return old("ann", "a1") }},
		"expired": {"expired", func(*keyed) {}, func(life time.Duration) access.Grant {
			g := all("ann")
			g.Expires = time.Now().Add(life)
			return g
		}},
	} {
		for _, how := range transports {
			for kind, text := range map[string]string{"application/x-ndjson": "{\"data\":\"one\"}\n", "text/event-stream": "data: one\n\n"} {
				t.Run(strings.Join([]string{name, how.name, kind}, " "), func(t *testing.T) {
					t.Parallel()
					k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, how)
					var a answer
					for life := time.Second; k.log.Head().Seq == 0 && life < time.Minute; life *= 2 { // on a busy machine a token may end before the first event is stored
						header := bearer(k.token(end.grant(life)))
						header["Content-Type"] = kind
						r, w := io.Pipe()
						answered := make(chan answer, 1)
						go func() {
							a, err := k.try(request{method: http.MethodPost, path: "/events/news", reader: r, header: header})
							if err != nil {
								k.Error(err)
							}
							answered <- a
							_ = r.Close() // the answer may come before the event was read
						}()
						fmt.Fprint(w, text)
						await(t, "the first event is stored, or refused", func() bool { return k.log.Head().Seq == 1 || len(answered) > 0 })
						end.happen(k)
						a = <-answered
						_ = w.Close()
					}
					refused(t, name, a, http.StatusUnauthorized, "unauthorized", end.detail)
					if !strings.Contains(a.body, `"stored":1`) || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
						t.Errorf("%+v", a)
					}
				})
			}
		}
	}
}
