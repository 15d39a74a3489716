package h2_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub/internal/h2"
)

// TestAnswerWithoutWindowIsBrokenOff because it would be kept as long as the client likes. Frames of other streams do not prolong the time.
func TestAnswerWithoutWindowIsBrokenOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello") // the error comes when it is sent
		})
		s := serveWith(t, way, answer, func(hs *http.Server) { h2.Configure(hs, h2.Options{WriteTimeout: 300 * time.Millisecond}) })
		p := connect(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		p.get(1, "/")
		if status := p.head(1)[":status"]; status != "200" {
			t.Error(status)
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			for p.in.WritePing(false, [8]byte{}) == nil {
				time.Sleep(20 * time.Millisecond) // far below the timeout
			}
		}()
		for {
			f := p.next()
			if _, ok := f.(*http2.PingFrame); ok {
				continue
			}
			if reset, ok := f.(*http2.RSTStreamFrame); !ok || reset.StreamID != 1 {
				t.Errorf("%v, want a reset", f)
			}
			break
		}
		_ = p.conn.Close()
		<-over
	})
}
