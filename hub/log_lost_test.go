package hub_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// TestStreamsEndWhenTheLogIsClosed: without a log, streams could send only heartbeats.
func TestStreamsEndWhenTheLogIsClosed(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := mustMemory(t, nil)
			k := serveKeyed(t, log, hub.Options{}, how)
			header := bearer(k.token(all("ann")))
			var open []*follower
			for _, path := range []string{"/events/news", "/events/**", "/events/news?since=earliest"} {
				open = append(open, k.follow(path, header))
			}
			for _, f := range open {
				f.want("tidings.checkpoint:{}")
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			for _, f := range open {
				f.end()
			}
			for name, r := range map[string]request{
				"following": {path: "/events/news"}, "publishing": {path: "/events/news", body: "x"}, "polling": {path: "/events/news?poll=1"}, "ready": {path: "/readyz"},
			} {
				r.header = header
				a := k.send(r)
				refused(t, name, a, http.StatusServiceUnavailable, "draining", "")
				if a.header.Get("Retry-After") == "" {
					t.Errorf("%s: %+v", name, a)
				}
			}
			if !strings.Contains(k.logs.String(), "the log is closed") {
				t.Errorf("no log line says that the log is closed: %s", k.logs)
			}
		})
	}
}

// blindLog is a log that can be made unreadable.
type blindLog struct {
	*eventlog.Memory
	broken atomic.Bool
}

func (l *blindLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if l.broken.Load() {
		return eventlog.Answer{}, &eventlog.UnavailableError{Reason: "the disk is gone"}
	}
	return l.Memory.Read(ctx, q)
}

// TestStreamsEndWhenTheLogIsUnreadable: new streams are refused until it is readable again.
func TestStreamsEndWhenTheLogIsUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &blindLog{Memory: mustMemory(t, nil)}
		h := mustHub(t, log, nil)
		listener := ssetest.NewListener()
		server := &http.Server{Handler: h}
		go func() { _ = server.Serve(listener) }() // until Close
		get := func(path string) *http.Response {
			c, err := listener.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			mustWrite(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = resp.Body.Close() })
			checkBlocks(t, path, resp)
			return resp
		}
		open := get("/events/news")
		synctest.Wait()
		log.broken.Store(true)
		mustAppend(t, log.Memory, eventlog.Record{Topics: []string{"away"}})
		time.Sleep(30 * time.Second)
		if n := h.Streams(); n != 1 {
			t.Fatalf("after 30 seconds of failing reads %d streams are open, want 1", n)
		}
		if _, err := io.ReadAll(open.Body); err != nil { // the stream ends
			t.Error(err)
		}
		if n := h.Closed("failed"); n != 1 {
			t.Errorf("%d streams have ended with the reason failed, want 1", n)
		}
		if resp := get("/events/news"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a new subscriber gets %s", resp.Status)
		}
		log.broken.Store(false)
		time.Sleep(2 * time.Second)
		if resp := get("/events/news"); resp.StatusCode != http.StatusOK {
			t.Errorf("after the log is readable again: %s", resp.Status)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}
