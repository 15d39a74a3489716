package ssetest_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// stuck tests how a server treats a client that has stopped reading.
func stuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan error, 1)
		server := &http.Server{Handler: sse.Handler(&sse.Options{WriteTimeout: time.Minute}, func(s *sse.Stream) error {
			for {
				if err := s.Send(sse.Event{Data: "tick"}); err != nil {
					over <- err
					return err
				}
			}
		})}
		listener := ssetest.NewListener()
		listener.Buffer = 1000
		go func() { _ = server.Serve(listener) }()
		defer server.Close()

		conn, err := listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: sse.example\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = <-over
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("the server gave up after %v with %v", waited, err)
		}
	})
}

// Serves on an in-memory network whose buffers are small, so that a client which does not read blocks the server.
func ExampleListener() {
	// In your own file, stuck is called TestStuckClient.
	_ = stuck
}
