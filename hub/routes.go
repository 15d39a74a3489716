package hub

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ownRoute is a route of the hub itself, whatever the dialects are.
type ownRoute struct {
	side side
	Route
}

// healthPath is the one route that needs no log.
const healthPath = "/healthz"

const methodQuery = "QUERY" // a GET whose parameters are a form in the body

var reading = []string{http.MethodGet, http.MethodHead}

// ownRoutes are refused in the native dialect. Paths are compared as they are, escaped, and never redirected.
var ownRoutes = []ownRoute{
	{everyone, Route{healthPath, reading, serveHealth}},
	{everyone, Route{"/readyz", reading, serveReady}},

	{admins, Route{"/api/v1/stats", reading, serveStats}},
	{admins, Route{"/api/v1/subscribers", append(slices.Clone(reading), http.MethodDelete), serveSubscribers}},
	{admins, Route{"/api/v1/subscribers/", []string{http.MethodDelete}, serveCloseSubscriber}},
	{admins, Route{"/api/v1/revoke", []string{http.MethodPost}, serveRevoke}},
	{admins, Route{"/metrics", reading, serveMetrics}},
	{admins, Route{"/debug/pprof/", reading, serveProfile}},
}

// ServeHTTP answers a request. Its frame is small: that of a stream of HTTP/2 lasts as long as the stream.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if stream := h.answer(w, r); stream != nil {
		stream.wait(r.Context())
	}
}

// answer answers a request, and returns the stream whose handler has to stay, if it is one.
func (h *Hub) answer(w http.ResponseWriter, r *http.Request) *held {
	h.allowOrigin(w.Header(), r)
	route, below := h.find(r)
	err := h.boundBody(w, r)
	if err == nil {
		err = h.checkLocal(r)
	}
	if err == nil {
		err = h.serve(w, r, route, below)
	}
	stream, stays := errors.AsType[*held](err)
	switch {
	case err == nil, stays:
	case r.ProtoMajor == 1 && r.ContentLength < 0:
		h.refuseSender(w, r, route.dialect, err, func() {})
	default:
		h.refuse(w, r, route.dialect, err)
	}
	return stream
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request, route *served, below string) error {
	switch {
	case route.Serve == nil:
		return problem(http.StatusNotFound, problemNotFound, "events are published to and followed at /events?topic=T, or /events/T")
	case route.side == admins && h.opts.AdminElsewhere:
		return problem(http.StatusNotFound, problemNotFound, "administration has a listener of its own")
	case r.Method == http.MethodOptions:
		return preflight(w, r, &route.Route)
	case !slices.Contains(route.Methods, r.Method):
		return notAllowed(w, r, &route.Route)
	case !h.opened.Load() && route.Path != healthPath:
		return h.unopened()
	case route.side == admins:
		if err := h.checkAdmin(r); err != nil {
			return err
		}
	}
	return route.Serve(h, w, r, below)
}

// nowhere is the route of paths that have none.
var nowhere = served{dialect: native{}}

// find returns the route of a request, and what its path has below it.
func (h *Hub) find(r *http.Request) (found *served, below string) {
	path := sentPath(r.URL)
	for i := range h.routes {
		route := &h.routes[i]
		if below, ok := strings.CutPrefix(path, route.Path); ok && (below == "" || strings.HasSuffix(route.Path, "/")) {
			return route, below
		}
	}
	return &nowhere, ""
}

func notAllowed(w http.ResponseWriter, r *http.Request, route *Route) error {
	w.Header().Set("Allow", strings.Join(append(slices.Clone(route.Methods), http.MethodOptions), ", "))
	return problem(http.StatusMethodNotAllowed, problemMethod, "%.20s is not for %s; %s are", r.Method, route.Path, strings.Join(route.Methods, ", "))
}

// sentPath is the path as it was sent. EscapedPath makes a new one when there is a character in it that should have been escaped, and
// then %2F is a slash.
func sentPath(u *url.URL) string {
	if plain, err := url.PathUnescape(u.RawPath); err == nil && u.RawPath != "" && plain == u.Path {
		return u.RawPath
	}
	return u.EscapedPath()
}
