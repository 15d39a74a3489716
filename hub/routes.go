package hub

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/internal/wire"
)

// ownRoute is a route that does not belong to a dialect.
type ownRoute struct {
	audience audience
	Route
}

// healthPath is the only route that works before Open.
const healthPath = "/healthz"

// readyPath is the only route that says what a hub waits for before Open.
const readyPath = "/readyz"

// MethodQuery is the method QUERY: a GET with its parameters as a form in the body, see [Hub.ReadForm].
const MethodQuery = "QUERY"

var reading = []string{http.MethodGet, http.MethodHead}

// ownRoutes write their problems in the native dialect. Paths are compared in escaped form and never redirected.
var ownRoutes = []ownRoute{
	{everyone, Route{healthPath, reading, serveHealth}},
	{everyone, Route{readyPath, reading, serveReady}},
	{everyone, Route{"/api/v1/openapi.yaml", reading, serveOpenAPI}},

	{watchers, Route{"/api/v1/presence", reading, servePresence}},

	{admins, Route{"/api/v1/stats", reading, serveStats}},
	{admins, Route{"/api/v1/subscribers", append(slices.Clone(reading), http.MethodDelete), serveSubscribers}},
	{admins, Route{"/api/v1/subscribers/", []string{http.MethodDelete}, serveCloseSubscriber}},
	{admins, Route{"/api/v1/cluster", reading, serveCluster}},
	{admins, Route{"/api/v1/cluster/settings", []string{http.MethodPost}, serveClusterSettings}},
	{admins, Route{"/api/v1/cluster/reset", []string{http.MethodPost}, serveClusterReset}},
	{admins, Route{"/api/v1/cluster/hubs/", []string{http.MethodDelete}, serveClusterHub}},
	{admins, Route{"/api/v1/revoke", []string{http.MethodPost}, serveRevoke}},
	{holders, Route{"/api/v1/explain", []string{http.MethodPost}, serveExplain}},
	{admins, Route{"/metrics", reading, serveMetrics}},
	{admins, Route{"/debug/pprof/", reading, serveProfile}},

	{hubs, Route{"/api/v1/peer/stats", reading, serveStats}},
	{hubs, Route{"/api/v1/peer/subscribers", reading, serveSubscribers}},
	{hubs, Route{"/api/v1/peer/snapshot", []string{http.MethodGet}, servePeerSnapshot}},
}

// ServeHTTP answers a request. Its stack frame is small, because a stream over HTTP/2 keeps it while the stream is open.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if stream := h.answer(w, r); stream != nil {
		stream.wait(r.Context())
	}
}

// answer answers a request. It returns a stream that needs its handler until the stream ends, nil for all other requests.
func (h *Hub) answer(w http.ResponseWriter, r *http.Request) *held {
	route, below := h.find(r)
	h.allowOrigin(w.Header(), r, route)
	err := h.limitBody(w, r)
	if err == nil {
		err = h.checkLocal(r)
	}
	if err == nil {
		err = h.serve(w, r, route, below)
	}
	stream, isHeld := errors.AsType[*held](err)
	unread, isUnread := errors.AsType[*unreadError](err)
	switch {
	case err == nil, isHeld:
	case isUnread:
		h.refuseSender(w, r, route.dialect, err, unread.wait)
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
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this path does not exist; publish and subscribe at /events?topic=T, or /events/T")
	case route.audience == admins && h.opts.AdminElsewhere:
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "administration of this hub is on another listener; send the request to the address of that listener")
	case r.Method == http.MethodOptions:
		return preflight(w, r, route)
	case !slices.Contains(route.Methods, r.Method):
		return notAllowed(w, r, &route.Route)
	case !h.opened.Load() && route.Path == readyPath:
		return h.waiting()
	case !h.opened.Load() && route.Path != healthPath:
		return h.unopened()
	case route.audience == admins:
		if err := h.checkAdmin(r); err != nil {
			return err
		}
	case route.audience == watchers:
		var err error
		if r, err = h.checkWatcher(r); err != nil {
			return err
		}
	case route.audience == holders:
		var err error
		if r, err = h.checkHolder(r); err != nil {
			return err
		}
	case route.audience == hubs:
		if err := h.checkHub(r); err != nil {
			return err
		}
	}
	return route.Serve(h, w, r, below)
}

// nowhere is the route of unknown paths.
var nowhere = newServed(Route{}, users, native{})

// find returns the route of a request, and the rest of the path below the route.
func (h *Hub) find(r *http.Request) (found *served, below string) {
	path := sentPath(r.URL)
	for i := range h.routes {
		if route := &h.routes[i]; route.takes(path) {
			return route, path[len(route.Path):]
		}
	}
	return &nowhere, ""
}

func notAllowed(w http.ResponseWriter, r *http.Request, route *Route) error {
	w.Header().Set("Allow", strings.Join(append(slices.Clone(route.Methods), http.MethodOptions), ", "))
	return NewProblem(http.StatusMethodNotAllowed, wire.ProblemMethodNotAllowed, "%.20s is not allowed for %s; use one of %s", r.Method, route.Path, strings.Join(route.Methods, ", "))
}

// sentPath returns the path as it was sent. EscapedPath alone is not enough: it escapes the path again if a character in it should
// have been escaped, and then %2F turns into a slash.
func sentPath(u *url.URL) string {
	if plain, err := url.PathUnescape(u.RawPath); err == nil && u.RawPath != "" && plain == u.Path {
		return u.RawPath
	}
	return u.EscapedPath()
}
