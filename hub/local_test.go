package hub_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestLocalHubRefusesOtherMachines: a hub without keys serves only its own machine. It refuses a web page whose host name resolves to
// 127.0.0.1 (DNS rebinding), and requests that come through a proxy.
func TestLocalHubRefusesOtherMachines(t *testing.T) {
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
		"by name, upper case":      {"LOCALHOST:3000", "127.0.0.1:1", nil, true},
		"by address":               {"127.0.0.1:3000", "127.0.0.1:1", nil, true},
		"by IPv6":                  {"[::1]:3000", "[::1]:1", nil, true},
		"by IPv6 without a port":   {"[::1]", "[::1]:1", nil, true},
		"by a Unix socket":         {"localhost", "@", nil, true},
		"a name by DNS rebinding":  {"evil.example:3000", "127.0.0.1:1", nil, false},
		"another name of the host": {"myhost:3000", "127.0.0.1:1", nil, false},
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
		"by a browser": {"localhost:3000", "127.0.0.1:1", map[string]string{
			"User-Agent": "Mozilla/5.0", "Accept-Language": "de", "Accept-Encoding": "gzip, br, zstd", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate",
			"Sec-Ch-Ua": `"Chromium"`, "Upgrade-Insecure-Requests": "1", "Dnt": "1", "Sec-Gpc": "1", "Priority": "u=1", "Cookie": "a=b", "Referer": "http://localhost:3000/",
			"Connection": "keep-alive", "Cache-Control": "no-cache", "Pragma": "no-cache", "Te": "trailers", "X-Requested-With": "XMLHttpRequest",
		}, true},
		"by a program": {"localhost:3000", "127.0.0.1:1", map[string]string{
			"User-Agent": "curl/8", "Accept": "*/*", "X-Request-Id": "1", "Traceparent": "00-1-1-00", "Authorization": "Bearer x", "Idempotency-Key": "x", "Expect": "100-continue",
		}, true},
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
				local := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "local-only") && strings.Contains(w.Body.String(), "configure a key")
				if local == test.good {
					t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Body)
				}
			}
		}
	}
}

// TestLocalHubRefusesProxies: the hub knows the header fields of all common proxies, also with an empty value.
func TestLocalHubRefusesProxies(t *testing.T) {
	t.Parallel()
	h := localHub(t)
	for _, name := range []string{
		"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Server", "X-Forwarded", "X-Forwarded-Anything", "X-Original-Forwarded-For", "X_Forwarded_For",
		"X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Ray", "CF-Visitor", "CDN-Loop",
		"Fly-Client-IP", "Fly-Region", "Fastly-Client-IP", "Fastly-FF", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Appengine-User-Ip", "X-Envoy-External-Address",
		"X-Amzn-Trace-Id", "X-Amz-Cf-Id", "X-ProxyUser-Ip", "DO-Connecting-IP", "X-NF-Client-Connection-IP", "X-Vercel-Id", "X-Original-URL", "X-Original-Host", "X-ARR-SSL",
		"Remote-Addr", "X-Remote-IP", "WL-Proxy-Client-IP", "Ali-CDN-Real-IP", "Incap-Client-IP", "X-Scheme", "Tailscale-User-Login",
	} {
		for _, value := range []string{"", "127.0.0.1"} {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Host, r.RemoteAddr = "localhost:3000", "127.0.0.1:1"
			r.Header.Set(name, value)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "local-only") {
				t.Errorf("%s: %q is answered %d %.100s", name, value, w.Code, w.Body)
			}
		}
	}
}

// TestLocalHubRefusesHTTP10: nginx with proxy_pass http://localhost:3000 uses the hub's own name and adds no field. Only HTTP/1.0
// distinguishes it from a local client.
func TestLocalHubRefusesHTTP10(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(localHub(t))
	defer server.Close()
	for path, open := range map[string]bool{
		"GET /events": false, "GET /events/news": false, "POST /events/news": false, "GET /metrics": false, "GET /api/v1/topics": false, "GET /": false,
		"GET /healthz": true, "GET /readyz": true, // load balancers ask for these in HTTP/1.0; the answers reveal nothing
	} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(c, "%s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\nUser-Agent: Mozilla/5.0\r\n\r\n", path, server.Listener.Addr())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		_ = c.Close()
		if err != nil {
			t.Fatal(err)
		}
		if local := strings.Contains(string(answer), "local-only") && strings.Contains(string(answer), "HTTP/1.0"); local == open {
			t.Errorf("%s is answered %s", path, answer)
		}
	}
}

func localHub(t *testing.T) *hub.Hub {
	h := mustHub(t, mustMemory(t, nil), &hub.Options{Local: true})
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}
