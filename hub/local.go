package hub

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// localNames are the names by which a hub for this machine only is asked (PROTOCOL 6).
var localNames = []string{"localhost", "127.0.0.1", "[::1]"}

// checkLocal returns an error if a hub that is for this machine only is asked from elsewhere. A connection from this machine proves
// little: a page of a stranger may give a name of theirs our address (DNS rebinding), and a proxy sends what anybody asks.
func (h *Hub) checkLocal(r *http.Request) error {
	if !h.opts.Local {
		return nil
	}
	return localOnly(r, "without a key everybody may do everything here, so that this hub is for this machine only, as localhost, 127.0.0.1 or [::1]; "+
		"give it a key to let others in")
}

// localOnly returns an error, which ends in because, if a request comes from elsewhere.
func localOnly(r *http.Request, because string) error {
	if !slices.Contains(localNames, strings.ToLower(nameOf(r.Host))) {
		return notLocal(because, "it was asked as %.100q", r.Host)
	}
	if peer, ok := parseAddress(r.RemoteAddr); ok && !peer.IsLoopback() {
		return notLocal(because, "the request comes from another machine")
	}
	for name := range r.Header {
		if addedByProxies(name) {
			return notLocal(because, "the request comes through a proxy: it has the field %.60s", name)
		}
	}
	// nginx before 1.29.7 asks in HTTP/1.0, under the hub's own name and with no field more, unless it is told otherwise. No browser and no
	// usual client does. Health checks do, and learn nothing.
	if !r.ProtoAtLeast(1, 1) && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
		return notLocal(because, "the request is in HTTP/1.0, as proxies send it; ask in HTTP/1.1")
	}
	return nil
}

// addedByProxies reports whether a field is one that proxies, content delivery networks and tunnels add to what they pass on, and that
// browsers and other clients do not send. Most of them say for whom the proxy asks, each in its own word.
func addedByProxies(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	is := func(test func(s, part string) bool, parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return test(name, part) })
	}
	return slices.Contains([]string{
		"via", "cdn-loop", // the standard ones (RFC 9110, section 7.6.3; RFC 8586), besides Forwarded
		"x-scheme", "x-url-scheme", "front-end-https", "x-cloud-trace-context", "x-request-start", "x-varnish",
	}, name) ||
		strings.Contains(name, "forwarded") ||
		is(strings.HasSuffix, "-ip", "clientip", "socketip", "-addr", "-address") ||
		is(strings.HasPrefix, "x-original-", "x-real-", "x-proxy", "x-envoy-", "x-amz-cf-", "x-amzn-", "x-azure-", "x-arr-", "x-appengine-", "x-vercel-",
			"x-nf-", "x-sucuri-", "x-akamai-", "akamai-", "cf-", "fly-", "fastly-", "incap-", "tailscale-", "ngrok-")
}

func notLocal(because, why string, args ...any) *Problem {
	p := problem(http.StatusForbidden, problemLocalOnly, why, args...)
	p.Detail += "; " + because
	return p
}

// nameOf returns a host without its port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}
