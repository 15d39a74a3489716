package hub

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is what can be done under a path.
type route struct {
	path    string // that ends in / for all below it
	methods []string
	serve   func(h *Hub, w http.ResponseWriter, r *http.Request, below string) error
}

const methodQuery = "QUERY" // a GET whose parameters are a form in the body

// routes is all there is. Paths are compared as they are, escaped, and never redirected.
var routes = []route{
	{"/events", []string{http.MethodGet, http.MethodHead, methodQuery, http.MethodPost, http.MethodPut}, serveEvents},
	{"/events/", []string{http.MethodGet, http.MethodHead, methodQuery, http.MethodPost, http.MethodPut}, serveEvents},
	{"/api/v1/topics", []string{http.MethodGet, http.MethodHead}, serveTopics},
}

// ServeHTTP answers a request.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.allowOrigin(w.Header(), r)
	if err := h.serve(w, r); err != nil {
		h.refuse(w, err)
	}
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request) error {
	path := sentPath(r.URL)
	for _, route := range routes {
		below, ok := strings.CutPrefix(path, route.path)
		switch {
		case !ok || below != "" && !strings.HasSuffix(route.path, "/"):
			continue
		case r.Method == http.MethodOptions:
			preflight(w.Header(), route.methods)
			w.WriteHeader(http.StatusNoContent)
			return nil
		case !slices.Contains(route.methods, r.Method):
			w.Header().Set("Allow", strings.Join(append(route.methods, http.MethodOptions), ", "))
			return problem(http.StatusMethodNotAllowed, problemMethod, "%.20s is not for %s; %s are", r.Method, route.path, strings.Join(route.methods, ", "))
		}
		if below == "" && strings.HasSuffix(route.path, "/") {
			return problem(http.StatusBadRequest, problemInvalidTopic, "there is no topic after %s; say it there, or as a parameter: /events?topic=news", route.path)
		}
		return route.serve(h, w, r, below)
	}
	return problem(http.StatusNotFound, problemNotFound, "events are published to and followed at /events?topic=T, or /events/T")
}

// sentPath is the path as it was sent. EscapedPath makes a new one when there is a character in it that should have been escaped, and
// then %2F is a slash.
func sentPath(u *url.URL) string {
	if plain, err := url.PathUnescape(u.RawPath); err == nil && u.RawPath != "" && plain == u.Path {
		return u.RawPath
	}
	return u.EscapedPath()
}

// serveEvents publishes or subscribes.
func serveEvents(h *Hub, w http.ResponseWriter, r *http.Request, below string) error {
	topic := ""
	if below != "" {
		var err error
		if topic, err = pathTopic(below); err != nil {
			return err
		}
	}
	p, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		return h.publish(w, r, p, topic)
	case methodQuery:
		if err := p.addForm(w, r); err != nil {
			return err
		}
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
		if !sameOrigin(origin, r) && h.strangers.meet(origin) {
			h.opts.Logger.Warn("pages of another origin cannot use this hub, unless it is one of Options.AllowOrigins", "origin", origin,
				"hint", "tidings serve --origin "+origin)
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

// preflight says what a page may send. It needs no token; for origins that may nothing the answer lacks the field that
// would allow it.
func preflight(header http.Header, methods []string) {
	header.Set("Cache-Control", "no-store")
	header.Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
	if header.Get("Access-Control-Allow-Origin") == "" {
		return
	}
	header.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	header.Set("Access-Control-Allow-Headers", "Authorization, Last-Event-ID, Idempotency-Key, Content-Type, Cache-Control")
	header.Set("Access-Control-Max-Age", "600")
}
