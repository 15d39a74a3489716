package hub_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestALocalHubIsForItsMachineOnly. The story: a hub without keys on localhost. A page that its user visits has a name that leads to 127.0.0.1
// for a moment (DNS rebinding), and is then of the same origin as the hub; or somebody puts a proxy in front of it for an afternoon.
func TestALocalHubIsForItsMachineOnly(t *testing.T) {
	t.Parallel()
	h := mustHub(t, mustMemory(t, nil), &hub.Options{Local: true})
	defer func() {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for name, test := range map[string]struct {
		host, peer string
		header     map[string]string
		good       bool
	}{
		"by name":                  {"localhost", "127.0.0.1:1", nil, true},
		"by name and port":         {"localhost:3000", "127.0.0.1:1", nil, true},
		"in capitals":              {"LOCALHOST:3000", "127.0.0.1:1", nil, true},
		"by address":               {"127.0.0.1:3000", "127.0.0.1:1", nil, true},
		"by IPv6":                  {"[::1]:3000", "[::1]:1", nil, true},
		"by IPv6 without a port":   {"[::1]", "[::1]:1", nil, true},
		"by a Unix socket":         {"localhost", "@", nil, true},
		"a rebound name":           {"evil.example:3000", "127.0.0.1:1", nil, false},
		"a name of ours":           {"myhost:3000", "127.0.0.1:1", nil, false},
		"a longer name":            {"localhost.evil.example", "127.0.0.1:1", nil, false},
		"another longer one":       {"127.0.0.1.evil.example:3000", "127.0.0.1:1", nil, false},
		"another loopback":         {"127.0.0.2", "127.0.0.1:1", nil, false},
		"any address":              {"0.0.0.0:3000", "127.0.0.1:1", nil, false},
		"no name":                  {"", "127.0.0.1:1", nil, false},
		"line ends":                {"localhost\r\nX: y", "127.0.0.1:1", nil, false},
		"from another machine":     {"localhost:3000", "192.0.2.1:1", nil, false},
		"through a proxy":          {"localhost:3000", "127.0.0.1:1", map[string]string{"X-Forwarded-For": "127.0.0.1"}, false},
		"through a proxy, host":    {"localhost:3000", "127.0.0.1:1", map[string]string{"X-Forwarded-Host": "localhost"}, false},
		"through a proxy, proto":   {"localhost:3000", "127.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https"}, false},
		"through a standard proxy": {"localhost:3000", "127.0.0.1:1", map[string]string{"Forwarded": "for=127.0.0.1"}, false},
	} {
		for _, handler := range []http.Handler{h, h.Admin()} {
			for _, path := range []string{"/healthz", "/metrics", "/events/news"} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				if r.Host, r.RemoteAddr = test.host, test.peer; path == "/events/news" {
					r.Method = http.MethodHead
				}
				for name, value := range test.header {
					r.Header.Set(name, value)
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				local := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "local-only") && strings.Contains(w.Body.String(), "give it a key")
				if local == test.good {
					t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Body)
				}
			}
		}
	}
}
