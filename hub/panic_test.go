package hub_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestStreamIsNotCountedAfterAPanicInOnStream: the panic reaches net/http, and the next stream is within the limit.
func TestStreamIsNotCountedAfterAPanicInOnStream(t *testing.T) {
	t.Parallel()
	h := mustHub(t, mustMemory(t, nil), &hub.Options{MaxConnections: 1, OnStream: func(*http.Request) func(hub.StreamEnd) { panic("once") }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the hub has swallowed the panic")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/events/news", nil))
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/events/news?poll=1", nil))
	if w.Code != http.StatusOK {
		t.Errorf("no stream is open, and the next one is refused: %d", w.Code)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
