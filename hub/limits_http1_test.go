package hub_test

import (
	"net/http"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestStreamsOverHTTP2NeedNoFilesOfTheirOwn: the number of files limits streams over HTTP/1.1. A stream that ends frees its place.
func TestStreamsOverHTTP2NeedNoFilesOfTheirOwn(t *testing.T) {
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mustMemory(t, nil), &hub.Options{MaxHTTP1Streams: 2}, how)
			first := s.follow("/events/news", nil)
			s.follow("/events/news", nil)
			if how.h2 {
				for range 5 {
					s.follow("/events/news", nil)
				}
				return
			}
			refused := func() bool {
				a := s.send(request{path: "/events/news", header: map[string]string{"Accept": "application/json"}})
				return a.status == http.StatusServiceUnavailable
			}
			if !refused() {
				t.Error("the third stream is not refused")
			}
			first.close()
			await(t, "the place of the first stream is free", func() bool { return s.hub.Streams() < 2 })
			s.follow("/events/news", nil)
		})
	}
}
