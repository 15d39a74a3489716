package hub_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestOnStreamReportsTheEnd: the access log had a line for each stream when it began, with no bytes and a millisecond, because the hub
// hijacks connections on Linux and the handler returns.
func TestOnStreamReportsTheEnd(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			ends := make(chan string, 1)
			var last hub.StreamEnd // before its path is sent on ends
			s := serve(t, mustMemory(t, nil), &hub.Options{OnStream: func(r *http.Request) func(hub.StreamEnd) {
				path := r.URL.Path
				if path == "/events/nobody" {
					return nil
				}
				return func(e hub.StreamEnd) {
					last = e
					ends <- path + " " + e.Reason
				}
			}}, how)
			ended := func(want string) hub.StreamEnd {
				t.Helper()
				if got := <-ends; got != want {
					t.Errorf("%s, want %s", got, want)
				}
				return last
			}

			// What was there, what came while it was live, and the end.
			s.post("builds", strings.Repeat("x", 1000))
			resp, err := s.do(t.Context(), request{path: "/events/builds?since=earliest"})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			buf := make([]byte, 1000)
			n, err := io.ReadFull(resp.Body, buf)
			if err != nil {
				t.Fatal(err)
			}
			s.post("builds", "live")
			s.post("other", "not for it")
			if _, err := s.hub.Publish(t.Context(), hub.Event{Topics: []string{"builds"}, Data: "bye", End: true}); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if e := ended("/events/builds complete"); e.Bytes != int64(n+len(rest)) {
				t.Errorf("%d bytes, and %d arrived:\n%s%s", e.Bytes, n+len(rest), buf[:n], rest)
			}

			f := s.follow("/events/news", nil)
			f.next()
			f.close()
			ended("/events/news gone")

			s.follow("/events/nobody", nil).next()
			s.follow("/events/news", nil).next()
			if err := s.hub.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-ends:
				if got != "/events/news drained" {
					t.Error(got)
				}
			default:
				t.Error("Shutdown has not waited for those who want to hear of it")
			}
		})
	}
}
