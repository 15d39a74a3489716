package ssetest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// silence tests what a handler sends while it has no events.
func silence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := sse.Handler(&sse.Options{KeepAlive: time.Minute}, func(s *sse.Stream) error {
			if err := s.Send(sse.Event{Data: "welcome"}); err != nil {
				return err
			}
			<-s.Context().Done()
			return nil
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		rec := ssetest.Record(t, handler, req)

		if e, err := rec.Events().Next(t.Context()); err != nil || e.Data != "welcome" {
			t.Fatalf("got %v and %v", e, err)
		}
		<-time.After(10*time.Minute + time.Second)
		if n := len(rec.Comments()); n != 10 {
			t.Errorf("ten minutes without events gave %d comments", n)
		}
	})
}

// Tests a handler event by event.
func ExampleRecord() {
	// In your own file, silence is called TestSilence.
	_ = silence
}
