package hub

import (
	"net/http"
	"slices"
	"strings"
)

// Pages of other origins (cross-origin resource sharing).

// allowOrigin sets the fields that let pages of an allowed origin read the answer.
func (h *Hub) allowOrigin(header http.Header, r *http.Request, route *served) {
	header.Add("Vary", "Origin, Accept")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	if !h.allowed(origin) {
		if !sameOrigin(origin, r) && h.refused.meet(origin) {
			h.opts.Logger.Warn("refused a page of an unknown origin; allow the origin if its pages may use the hub", "origin", origin)
		}
		return
	}
	if route.exposeHeaders != "" {
		header.Set("Access-Control-Expose-Headers", route.exposeHeaders)
	}
	if slices.Contains(h.opts.AllowOrigins, "*") {
		header.Set("Access-Control-Allow-Origin", "*")
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
}

// preflightAge is how long browsers may remember the answer to a preflight, in seconds. Chromium remembers none for longer.
const preflightAge = "7200"

// preflight answers OPTIONS: pages of an allowed origin may use all methods of the route, and any header field. Libraries add fields of
// their own, which have no effect here. It needs no token.
func preflight(w http.ResponseWriter, r *http.Request, route *served) error {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", strings.Join(append(header.Values("Vary"), "Access-Control-Request-Headers"), ", "))
	header.Set("Allow", strings.Join(append(slices.Clone(route.Methods), http.MethodOptions), ", "))
	if header.Get("Access-Control-Allow-Origin") != "" {
		header.Set("Access-Control-Allow-Methods", strings.Join(route.Methods, ", "))
		if names := requestedHeaders(r.Header, route.allowHeaders); len(names) > 0 {
			header.Set("Access-Control-Allow-Headers", strings.Join(names, ", "))
		}
		header.Set("Access-Control-Max-Age", preflightAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// requestedHeaders returns the header fields of a dialect, and those that a page asks for (Fetch standard, Access-Control-Request-Headers). It
// leaves out anything that is not the name of a field, so that nothing else can be written into the answer.
func requestedHeaders(header http.Header, dialect string) (names []string) {
	known := make(map[string]bool)
	if dialect != "" {
		names = append(names, dialect)
	}
	for name := range strings.SplitSeq(strings.ToLower(dialect), ", ") {
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

// isToken reports whether a text is a token, such as the name of a header field (RFC 9110, section 5.6.2). Package sse has the same
// function for itself, because it imports and exports nothing for the hub.
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
