package hub

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/internal/wire"
)

// audience says which clients may use a route.
type audience int

const (
	users    audience = iota // clients; the route itself checks their grants
	everyone                 // without a check
	admins                   // clients whose grant has Admin
	hubs                     // other hubs of the cluster
	holders                  // clients whose grant has Admin, and all others about their own token
	watchers                 // clients whose grant has Admin, and all others about the topics that they may see
)

// Admin returns a handler for a separate listener that only administrators can reach: it requires no token. It has the routes for
// administrators, such as /metrics, and /healthz and /readyz.
func (h *Hub) Admin() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.limitBody(w, r)
		if err == nil {
			err = h.checkAdminLocal(r)
		}
		if err == nil {
			err = h.serveAdmin(w, r)
		}
		if err != nil {
			h.refuse(w, r, native{}, err)
		}
	})
}

// checkAdminLocal is checkLocal for Admin.
func (h *Hub) checkAdminLocal(r *http.Request) error {
	if h.opts.Local || !h.opts.AdminLocal {
		return h.checkLocal(r)
	}
	return localOnly(r, "this listener requires no token and serves this machine only, as localhost, 127.0.0.1 or [::1]")
}

// adminPaths returns the paths of the listener for administrators.
func (h *Hub) adminPaths() (paths []string) {
	for i := range h.routes {
		if audience := h.routes[i].audience; audience == admins || audience == everyone || audience == holders || audience == watchers {
			paths = append(paths, h.routes[i].Path)
		}
	}
	return paths
}

// fromPage reports whether a page has sent a request. A request from a browser's address bar does not count.
func fromPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") != "" || site != "" && site != "none"
}

// fromOwnPage reports whether a page that this listener serves has sent a request.
func fromOwnPage(r *http.Request) bool {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if origin != "" && !sameOrigin(origin, r) || site != "" && site != "same-origin" {
		return false
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	return strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

func (h *Hub) serveAdmin(w http.ResponseWriter, r *http.Request) error {
	route, below := h.find(r)
	switch {
	case route.Serve == nil, route.audience == users, route.audience == hubs:
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this listener is for administrators; it serves %s", strings.Join(h.adminPaths(), ", "))
	case fromPage(r) && (!h.opts.AdminPages || !fromOwnPage(r)):
		return NewProblem(http.StatusForbidden, wire.ProblemForeignOrigin, "web pages may not use this listener; use curl or another program, or a page of this listener at localhost or its IP address")
	case r.Method == http.MethodOptions:
		return preflight(w, r, route)
	case !slices.Contains(route.Methods, r.Method):
		return notAllowed(w, r, &route.Route)
	case !h.opened.Load() && route.Path != healthPath:
		return h.unopened()
	}
	return route.Serve(h, w, r, below)
}

// checkAdmin returns an error unless the sender of a request may administer the hub. A page of another site may not, even when an
// administrator visits it.
func (h *Hub) checkAdmin(r *http.Request) error {
	if err := h.checkOrigin(r); err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	if !grant.Admin {
		return Denied(r, grant, "administer this hub")
	}
	return nil
}

// readSmall reads the body of an administrator's request, of at most so many bytes.
func readSmall(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "the request is larger than the limit of %d bytes", most)
	} else if err != nil {
		return nil, brokenBody(err)
	}
	return body, nil
}
