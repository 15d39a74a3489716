package hub

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/tidings-sse/tidings/access"
)

// authorize finds out what the sender of a request may do.
func (h *Hub) authorize(r *http.Request) (access.Grant, error) {
	grant, err := h.opts.Authorize(r)
	if err == nil {
		return grant, nil
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return grant, p
	}
	p := problem(http.StatusUnauthorized, problemUnauthorized, "the request does not say who sends it in a way that is accepted here; log in, or send a token")
	p.Err = err
	return grant, p
}

// forbidden is the problem of what is not granted.
func forbidden(what string) *Problem {
	return problem(http.StatusForbidden, problemForbidden, "you may not %s; ask whoever runs this hub for it", what)
}

// denied says so to whoever did not say who it is: with a token it may be granted.
func denied(r *http.Request, g access.Grant, err error) error {
	p, ok := errors.AsType[*Problem](err)
	known := g.Subject != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != ""
	if !ok || p.Name != problemForbidden || known {
		return err
	}
	return problem(http.StatusUnauthorized, problemUnauthorized, "%s; or log in, or send a token, if you have one", p.Detail)
}

// checkOrigin returns an error if a request that changes something was sent by a page of another site: whoever visits a page lets
// it send requests to any host, with their cookies, and from inside their network.
func (h *Hub) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "" && r.Header.Get("Sec-Fetch-Site") != "cross-site":
		return nil
	case origin != "" && (sameOrigin(origin, r) || h.allowed(origin)):
		return nil
	}
	return problem(http.StatusForbidden, problemForeignOrigin,
		"a page of %.100q may not publish here; let the hub's operator allow that origin", origin)
}

// sameOrigin reports whether an origin is the one the request was sent to. The scheme is left to whoever ends TLS.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allowed reports whether an origin is one of those that may use the hub.
func (h *Hub) allowed(origin string) bool {
	return slices.ContainsFunc(h.opts.AllowOrigins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) })
}

// strangers are the origins whose pages were kept out. Their browsers say so in the page's console only, and a request to read looks like
// any other: so each of them is told of once.
type strangers struct {
	mu  sync.Mutex
	met map[string]bool
}

// manyStrangers is of how many is told; whoever makes origins up fills no log.
const manyStrangers = 20

// meet reports whether an origin is to be told of.
func (s *strangers) meet(origin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.met) == manyStrangers || len(origin) > 200 || s.met[origin] {
		return false
	}
	if s.met == nil {
		s.met = map[string]bool{}
	}
	s.met[origin] = true
	return true
}
