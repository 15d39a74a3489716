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
	"github.com/tidings-sse/tidings/internal/wire"
)

// Authorize returns the permissions of the sender of a request, from [Options.Authorize]. A grant that has expired or was revoked is an
// error. Every error is a [*Problem]. The client gets the public reason for a refusal; the log gets the full reason.
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
	if p, ok := errors.AsType[*Problem](err); ok { // complete already
		return grant, p
	}
	p := NewProblem(http.StatusUnauthorized, wire.ProblemUnauthorized, "the request has no credentials that the hub accepts; log in, or send a token")
	if isRefusal {
		p = refusedToken(refusal)
		h.opts.Logger.InfoContext(r.Context(), "token refused", "remote", h.addressOf(r).String(), "reason", string(refusal.Reason), "why", refusal.Detail)
	}
	p.Err = err
	return grant, p
}

// refusedToken returns the problem of a token that was not accepted.
func refusedToken(refusal *access.Refusal) *Problem {
	if refusal.Temporary() {
		p := NewProblem(http.StatusServiceUnavailable, wire.ProblemUnchecked, "%s", refusal.Public)
		p.RetryAfter = retryAfter
		return p
	}
	return NewProblem(http.StatusUnauthorized, wire.ProblemUnauthorized, "%s; get a new token and try again", refusal.Public)
}

// over returns a refusal if a grant has expired or was revoked.
func (h *Hub) over(g *access.Grant) error {
	if !g.Expires.IsZero() && !time.Now().Before(g.Expires) {
		return &access.Refusal{Reason: access.Expired, Public: "the token has expired", Detail: "the grant of " + who(g) + " has expired"}
	}
	if at, yes := h.revocations.Revoked(*g); yes {
		return &access.Refusal{
			Reason: access.Revoked, Public: "the token was revoked",
			Detail: fmt.Sprintf("tokens issued to %s until %s are revoked", who(g), at.UTC().Format(time.RFC3339)),
		}
	}
	return nil
}

// who describes the holder of a grant for the log.
func who(g *access.Grant) string { return fmt.Sprintf("subject %.100q, token %.100q", g.Subject, g.ID) }

// Denied returns the problem of a request to do what its grant does not allow, such as "publish to topic news": 403, or 401 for a request
// without credentials, because a token might allow it.
func Denied(r *http.Request, g access.Grant, what string) *Problem {
	if holderOf(&g) != (holder{}) || r.Header.Get("Authorization") != "" { // Authorize has accepted the credentials: refused ones are an error
		return NewProblem(http.StatusForbidden, wire.ProblemForbidden, "you may not %s; ask the hub's operator for permission", what)
	}
	return NewProblem(http.StatusUnauthorized, wire.ProblemUnauthorized,
		"you may not %s; ask the hub's operator for permission, or log in or send a token if you have one", what)
}

// checkOrigin refuses requests of pages of other origins that would change something (CSRF). A page can send requests to any host, with
// the visitor's cookies and from inside the visitor's network.
func (h *Hub) checkOrigin(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	switch {
	case origin == "" && (site == "" || site == "same-origin" || site == "none"): // not from a page, or from a page of the hub
		return nil
	case origin != "" && (sameOrigin(origin, r) || h.named(origin)):
		return nil
	case origin != "" && h.allowed(origin) && r.Header.Get("Cookie") == "": // allowed by "*", which excludes cookies; browsers may send them all the same
		return nil
	}
	return NewProblem(http.StatusForbidden, wire.ProblemForeignOrigin,
		"pages of %.100q may not do this; ask the hub's operator to allow the origin", origin)
}

// sameOrigin reports whether an origin has the host that the request was sent to. It ignores the scheme, because a proxy may terminate TLS.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allowed reports whether pages of an origin may use the hub; named, whether AllowOrigins names the origin.
func (h *Hub) allowed(origin string) bool {
	return slices.Contains(h.opts.AllowOrigins, "*") || h.named(origin)
}

func (h *Hub) named(origin string) bool {
	return slices.ContainsFunc(h.opts.AllowOrigins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// origins are the unknown origins that were refused. Browsers report a refusal only in the page's console, so the hub logs each origin
// once.
type origins struct {
	mu  sync.Mutex
	met map[string]bool
}

// mostOrigins limits how many origins are logged, so that a client with invented origins cannot flood the log.
const mostOrigins = 20

// meet records an origin and reports whether to log it.
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
