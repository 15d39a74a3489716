package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// Authorize returns what the sender of a request may do, as [Options.Authorize] says, unless that has expired or was revoked. The error is a
// [*Problem]. The full reason for a refusal goes to the operator; the client gets what it may know.
func (h *Hub) Authorize(r *http.Request) (access.Grant, error) {
	grant, err := h.opts.Authorize(r)
	if err == nil {
		err = h.over(&grant)
	}
	if err == nil {
		return grant, nil
	}
	refusal, isRefusal := errors.AsType[*access.Refusal](err)
	if isRefusal {
		h.count.refuseToken(refusal.Reason)
	}
	if p, ok := errors.AsType[*Problem](err); ok { // of somebody who has taken care of the rest
		return grant, p
	}
	p := problem(http.StatusUnauthorized, problemUnauthorized, "the request does not say who sends it in a way that is accepted here; log in, or send a token")
	switch {
	case isRefusal && refusal.Temporary():
		p = problem(http.StatusServiceUnavailable, problemUnchecked, "%s", refusal.Public)
		p.RetryAfter = comeBack
	case isRefusal:
		p.Detail = refusal.Public + "; get a new one, and try again with it"
	}
	if isRefusal {
		h.opts.Logger.InfoContext(r.Context(), "token refused", "remote", h.addressOf(r).String(), "reason", string(refusal.Reason), "why", refusal.Detail)
	}
	p.Err = err
	return grant, p
}

// over returns a refusal if a grant has ended, or was taken back.
func (h *Hub) over(g *access.Grant) error {
	if !g.Expires.IsZero() && !time.Now().Before(g.Expires) {
		return &access.Refusal{Reason: access.Expired, Public: "the token has expired", Detail: "the grant of " + who(g) + " has expired"}
	}
	if at, yes := h.revocations.Revoked(*g); yes {
		return &access.Refusal{
			Reason: access.Revoked, Public: "the token was revoked",
			Detail: fmt.Sprintf("what was issued to %s up to %s is revoked", who(g), at.UTC().Format(time.RFC3339)),
		}
	}
	return nil
}

// who names whoever has a grant, for people.
func who(g *access.Grant) string { return fmt.Sprintf("subject %.100q, token %.100q", g.Subject, g.ID) }

// challenge returns the field WWW-Authenticate of a refusal (RFC 6750, section 3). It says of a token what its bearer may know, and
// without one nothing.
func challenge(p *Problem) string {
	const realm = `Bearer realm="tidings"`
	refusal, ok := errors.AsType[*access.Refusal](p.Err)
	switch {
	case ok && p.is(problemUnauthorized):
		return realm + `, error="invalid_token", error_description="` + refusal.Public + `"`
	case p.is(problemForbidden):
		return realm + `, error="insufficient_scope"`
	}
	return realm
}

// forbidden is the problem of what is not granted.
func forbidden(what string) *Problem {
	return problem(http.StatusForbidden, problemForbidden, "you may not %s; ask whoever runs this hub for it", what)
}

// denied says so to whoever did not say who it is: with a token it may be granted.
func denied(r *http.Request, g access.Grant, err error) error {
	p, ok := errors.AsType[*Problem](err)
	known := holderOf(&g) != (holder{}) || r.Header.Get("Authorization") != "" // which was accepted, or there was an error
	if !ok || !p.is(problemForbidden) || known {
		return err
	}
	return problem(http.StatusUnauthorized, problemUnauthorized, "%s; or log in, or send a token, if you have one", p.Detail)
}

// checkOrigin returns an error if a request that changes something was sent by a page of another site: whoever visits a page lets
// it send requests to any host, with their cookies, and from inside their network.
func (h *Hub) checkOrigin(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	switch {
	case origin == "" && (site == "" || site == "same-origin" || site == "none"): // no page, or one of ours
		return nil
	case origin != "" && (sameOrigin(origin, r) || h.named(origin)):
		return nil
	case origin != "" && h.allowed(origin) && r.Header.Get("Cookie") == "": // by "*", which is not for cookies: browsers send them nevertheless
		return nil
	}
	return problem(http.StatusForbidden, problemForeignOrigin,
		"a page of %.100q may not do this here; let the hub's operator allow that origin", origin)
}

// sameOrigin reports whether an origin is the one the request was sent to. The scheme is left to whoever ends TLS.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allowed reports whether an origin is one of those that may use the hub; named, whether it is by its name.
func (h *Hub) allowed(origin string) bool {
	return slices.Contains(h.opts.AllowOrigins, "*") || h.named(origin)
}

func (h *Hub) named(origin string) bool {
	return slices.ContainsFunc(h.opts.AllowOrigins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// origins are those whose pages were refused. Browsers report that in the page's console only, so the hub logs each origin once.
type origins struct {
	mu  sync.Mutex
	met map[string]bool
}

// mostOrigins is how many origins are logged, so that a client that makes origins up does not fill the log.
const mostOrigins = 20

// meet reports whether an origin is to be logged.
func (s *origins) meet(origin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.met) == mostOrigins || len(origin) > 200 || s.met[origin] {
		return false
	}
	if s.met == nil {
		s.met = map[string]bool{}
	}
	s.met[origin] = true
	return true
}
