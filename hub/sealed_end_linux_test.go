package hub_test

import (
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// openFiles returns how many descriptors the process has.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestStalledTLSStreamsEndAndLeaveNothing: their clients take no bytes when the permission ends, or the hub drains. The hub must not wait for the
// clients, and keeps neither goroutines nor descriptors.
func TestStalledTLSStreamsEndAndLeaveNothing(t *testing.T) {
	made := 2 * runtime.GOMAXPROCS(0) // what shards make for their first stream
	streams := uint64(made + 6)
	for _, how := range []transport{overTLS, {name: "HTTP/2", h2: true, tls: true}} {
		for name, test := range map[string]struct {
			reason   string
			timeout  time.Duration // for writes
			lifetime time.Duration // of the token
			end      func(k *keyed)
		}{
			"revoked": {"revoked", patience, time.Hour, func(k *keyed) { k.revoke(`{"sub":"ann"}`) }},
			"expired": {"expired", patience, 3 * time.Second, func(*keyed) {}},
			"drained": {"slow", 300 * time.Millisecond, time.Hour, func(k *keyed) {
				if err := k.hub.Shutdown(k.Context()); err != nil {
					k.Error(err)
				}
			}},
		} {
			t.Run(how.name+" "+name, func(t *testing.T) {
				k := serveKeyed(t, mustMemory(t, nil), hub.Options{WriteTimeout: test.timeout}, how)
				goroutines, files := runtime.NumGoroutine()+made, openFiles(t)+made
				grant := all("ann")
				grant.Expires = time.Now().Add(test.lifetime)
				header := bearer(k.token(grant))
				var answers []io.Closer
				for range streams {
					answers = append(answers, k.openUnread("/events/news", header).Body)
				}
				await(t, "the streams are open", func() bool { return k.hub.Streams() == int(streams) })
				for i := 0; i < 40 || k.hub.Stalled() < k.hub.Streams(); i++ { // over HTTP/2 a client takes 4 MB of each stream
					k.hubPublish(hub.Event{Topics: []string{"news"}, Data: strings.Repeat("x", 200_000)})
				}
				test.end(k)
				await(t, "the streams have ended", func() bool { return k.hub.Streams() == 0 })
				if n := k.hub.Closed(test.reason); n != streams {
					t.Errorf("%d of %d streams have ended with the reason %q", n, streams, test.reason)
				}
				for _, a := range answers {
					_ = a.Close()
				}
				k.client.CloseIdleConnections()
				await(t, "nothing is left of them", func() bool {
					return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
				})
			})
		}
	}
}
