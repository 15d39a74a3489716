package hub

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// localNames are what a hub that is for this machine only may be called (PROTOCOL 6).
var localNames = []string{"localhost", "127.0.0.1", "[::1]"}

// checkLocal returns an error if a hub that is for this machine only is asked from somewhere else. A request that comes from this machine
// may still be sent by a page of a stranger, who has given a name of theirs its address (DNS rebinding), or by a proxy for anybody.
func (h *Hub) checkLocal(r *http.Request) error {
	if !h.opts.Local {
		return nil
	}
	return localOnly(r, "without a key everybody may do everything here, so that this hub is for this machine only, as localhost, 127.0.0.1 or [::1]; "+
		"give it a key to let others in")
}

// localOnly returns an error, which says why it is one, if a request comes from somewhere else.
func localOnly(r *http.Request, because string) error {
	if !slices.Contains(localNames, strings.ToLower(nameOf(r.Host))) {
		return notLocal(because, "it was asked as %.100q", r.Host)
	}
	if peer, ok := parseAddress(r.RemoteAddr); ok && !peer.IsLoopback() {
		return notLocal(because, "the request comes from another machine")
	}
	for name := range r.Header {
		if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
			return notLocal(because, "the request comes through a proxy: it has the field %.60s", name)
		}
	}
	return nil
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
