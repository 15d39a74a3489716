package h2_test

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub/internal/h2"
)

// TestStreamWhoseHeaderCannotBeSentIsReset detaches a stream after its write deadline, from a connection whose client does not read.
func TestStreamWhoseHeaderCannotBeSentIsReset(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		full, sent := make(chan struct{}), make(chan error, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			if r.URL.Path == "/flood" {
				for err := error(nil); err == nil; _, err = w.Write(make([]byte, 1<<20)) {
					_ = control.SetWriteDeadline(time.Now().Add(time.Second)) // never fails here
				}
				close(full)
				return
			}
			<-full
			_ = control.SetWriteDeadline(time.Unix(1, 0)) // as above
			w.WriteHeader(http.StatusOK)
			st, ok := h2.Detach(w)
			if !ok {
				t.Error("the stream cannot be detached")
			}
			_, err := st.Send([]byte("hello"))
			sent <- err
		})
		p := connect(t, serve(t, way, handler, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		p.check(p.in.WriteWindowUpdate(0, 1<<30))
		p.get(1, "/flood")
		p.get(3, "/events")
		select {
		case err := <-sent:
			if err == nil {
				t.Error("a stream without a header takes data")
			}
		case <-time.After(patience):
			t.Fatal("the stream is not detached")
		}
		for {
			f := p.next()
			if f.Header().StreamID != 3 {
				continue
			}
			if _, ok := f.(*http2.RSTStreamFrame); !ok {
				t.Errorf("the stream begins with %v, want a reset", f)
			}
			return
		}
	})
}
