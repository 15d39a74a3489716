package hub_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestHubServesItsContract: without a token, also on the listener for administrators, and again only if it has changed.
func TestHubServesItsContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const path = "/api/v1/openapi.yaml"
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	a := k.send(request{path: path})
	if a.status != http.StatusOK || a.body != string(text) || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %v %s", a.status, a.header, clipped(a.body))
	}
	tag := a.header.Get("ETag")
	for _, known := range []string{tag, "W/" + tag, `"other", ` + tag} {
		if a := k.send(request{path: path, header: map[string]string{"If-None-Match": known}}); a.status != http.StatusNotModified || a.body != "" {
			t.Errorf("If-None-Match %s: %d %s", known, a.status, clipped(a.body))
		}
	}
	if a := k.send(request{path: path, header: map[string]string{"If-None-Match": `"other"`}}); a.status != http.StatusOK || a.body != string(text) {
		t.Errorf("another tag: %d %s", a.status, clipped(a.body))
	}
	w := httptest.NewRecorder()
	k.hub.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://admin.example"+path, nil))
	if w.Code != http.StatusOK || w.Body.String() != string(text) {
		t.Errorf("the listener for administrators: %d %s", w.Code, clipped(w.Body.String()))
	}
}
