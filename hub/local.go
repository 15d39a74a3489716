package hub

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/internal/wire"
)

// localNames are the hosts that requests to a local hub may name.
var localNames = []string{"localhost", "127.0.0.1", "[::1]"}

// checkLocal applies [Options.Local]. A connection from this machine proves little: a web page may use a host name that resolves to this
// machine (DNS rebinding), and a proxy forwards requests of anyone.
func (h *Hub) checkLocal(r *http.Request) error {
	if !h.opts.Local {
		return nil
	}
	return localOnly(r, "a hub without keys serves this machine only, as localhost, 127.0.0.1 or [::1], because all requests may do everything; "+
		"configure a key to serve others")
}

// localOnly returns an error if a request does not come from this machine. because is the end of its text.
func localOnly(r *http.Request, because string) error {
	if !slices.Contains(localNames, strings.ToLower(nameOf(r.Host))) {
		return notLocal(because, "the request names the host %.100q", r.Host)
	}
	if peer, ok := parseAddress(r.RemoteAddr); ok && !peer.IsLoopback() {
		return notLocal(because, "the request comes from another machine")
	}
	for name := range r.Header {
		if addedByProxies(name) {
			return notLocal(because, "the request comes through a proxy: it has the field %.60s", name)
		}
	}
	// nginx before 1.29.7 sends HTTP/1.0 with the hub's name and no additional field, unless configured otherwise. Browsers and other
	// clients do not. Health checks may, and are harmless.
	if !r.ProtoAtLeast(1, 1) && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
		return notLocal(because, "the request uses HTTP/1.0, like those of proxies; use HTTP/1.1")
	}
	return nil
}

// addedByProxies reports whether a header field is one that proxies, content delivery networks and tunnels add, and that browsers and
// other clients do not send. Most of the fields name the proxy's client.
func addedByProxies(name string) bool { return !usualNames[name] && isOfProxies(name) }

// usualNames are fields of most requests. A comparison of one with all names of isOfProxies takes longer than the rest of a request's check.
var usualNames = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Authorization": true, "Cache-Control": true, "Connection": true,
	"Content-Length": true, "Content-Type": true, "Cookie": true, "Idempotency-Key": true, "Last-Event-Id": true, "Origin": true, "Referer": true,
	"Sec-Fetch-Dest": true, "Sec-Fetch-Mode": true, "Sec-Fetch-Site": true, "User-Agent": true,
}

// isOfProxies is addedByProxies for all names.
func isOfProxies(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	is := func(test func(s, part string) bool, parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return test(name, part) })
	}
	return slices.Contains([]string{
		"via", "cdn-loop", // standard fields (RFC 9110, section 7.6.3; RFC 8586), besides Forwarded
		"x-scheme", "x-url-scheme", "front-end-https", "x-cloud-trace-context", "x-request-start", "x-varnish",
	}, name) ||
		strings.Contains(name, "forwarded") ||
		is(strings.HasSuffix, "-ip", "clientip", "socketip", "-addr", "-address") ||
		is(strings.HasPrefix, "x-original-", "x-real-", "x-proxy", "x-envoy-", "x-amz-cf-", "x-amzn-", "x-azure-", "x-arr-", "x-appengine-", "x-vercel-",
			"x-nf-", "x-sucuri-", "x-akamai-", "akamai-", "cf-", "fly-", "fastly-", "incap-", "tailscale-", "ngrok-")
}

func notLocal(because, why string, args ...any) *Problem {
	p := NewProblem(http.StatusForbidden, wire.ProblemLocalOnly, why, args...)
	p.Detail += "; " + because
	return p
}

// nameOf returns a host without the port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}
