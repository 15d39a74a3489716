package hub_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestOnStreamReportsTheEnd: on Linux the hub hijacks connections, so a handler returns when its stream begins. The access log needs the end
// of the stream, with its bytes and its duration.
func TestOnStreamReportsTheEnd(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			ends := make(chan string, 1)
			var last hub.StreamEnd // written before the stream's path is sent on ends
			s := serve(t, mustMemory(t, nil), &hub.Options{OnStream: func(r *http.Request) func(hub.StreamEnd) {
				path := r.URL.Path
				if path == "/events/quiet" {
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

			// The retained events, the live events, and the end.
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

			s.follow("/events/quiet", nil).next()
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
				t.Error("Shutdown returned before OnStream got the end")
			}
		})
	}
}
