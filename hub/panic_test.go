package hub_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestPanicInOnStreamFreesItsPlace: the stream was counted for ever.
func TestPanicInOnStreamFreesItsPlace(t *testing.T) {
	t.Parallel()
	h := mustHub(t, mustMemory(t, nil), &hub.Options{MaxConnections: 1, OnStream: func(*http.Request) func(hub.StreamEnd) { panic("once") }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nobody is told of the panic")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/events/news", nil))
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/events/news?poll=1", nil))
	if w.Code != http.StatusOK {
		t.Errorf("nobody is there, and there is no room: %d", w.Code)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
