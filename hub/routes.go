package hub

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/hub/internal/pathtopic"
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

// serveTopic publishes or subscribes to the topic below its path.
func serveTopic(h *Hub, w http.ResponseWriter, r *http.Request, below string) error {
	if below == "" {
		return problem(http.StatusBadRequest, problemInvalidTopic, "there is no topic after /events/; say it there, or as a parameter: /events?topic=news")
	}
	topic, err := pathtopic.Parse(below)
	if err != nil {
		return problem(http.StatusBadRequest, problemInvalidTopic, "%v", err)
	}
	return serveEvents(h, w, r, topic)
}

// serveEvents publishes or subscribes to a topic, "" if parameters say which.
func serveEvents(h *Hub, w http.ResponseWriter, r *http.Request, topic string) error {
	p, err := h.parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		return h.publish(w, r, p, topic)
	case methodQuery:
		return h.query(w, r, p, topic)
	}
	return h.subscribe(w, r, p, topic)
}

// allowOrigin lets pages of other origins see the answer, if they may.
func (h *Hub) allowOrigin(header http.Header, r *http.Request) {
	header.Add("Vary", "Origin, Accept")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	if !h.allowed(origin) {
		if !sameOrigin(origin, r) && h.refused.meet(origin) {
			h.opts.Logger.Warn("refused a page of another origin; allow that origin if its pages may use the hub", "origin", origin)
		}
		return
	}
	header.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
	if slices.Contains(h.opts.AllowOrigins, "*") {
		header.Set("Access-Control-Allow-Origin", "*")
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
}

// allowHeaders are the header fields of a request that have a meaning here.
const allowHeaders = "Authorization, Last-Event-ID, Idempotency-Key, Content-Type, Cache-Control"

// preflight says what a page may send: all methods of the route, and any header field that it asks for, because libraries add fields of
// their own, which change nothing here. It needs no token. For an origin that is not allowed the answer lacks the fields that would allow it.
func preflight(w http.ResponseWriter, r *http.Request, route *Route) error {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", strings.Join(append(header.Values("Vary"), "Access-Control-Request-Headers"), ", "))
	header.Set("Allow", strings.Join(append(slices.Clone(route.Methods), http.MethodOptions), ", "))
	if header.Get("Access-Control-Allow-Origin") != "" {
		header.Set("Access-Control-Allow-Methods", strings.Join(route.Methods, ", "))
		header.Set("Access-Control-Allow-Headers", strings.Join(append([]string{allowHeaders}, requestedHeaders(r.Header)...), ", "))
		header.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// requestedHeaders returns the names of header fields that a page asks for (Fetch standard, Access-Control-Request-Headers), those of
// allowHeaders aside. What is no name of a field is left out, so that nothing else can be written into the answer.
func requestedHeaders(header http.Header) (names []string) {
	known := make(map[string]bool)
	for name := range strings.SplitSeq(strings.ToLower(allowHeaders), ", ") {
		known[name] = true
	}
	for _, line := range header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if isToken(name) && !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// isToken reports whether a text is a token, such as the name of a header field (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c|' ' && c|' ' <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return text != ""
}
