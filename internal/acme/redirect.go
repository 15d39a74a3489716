package acme

import (
	"io"
	"net"
	"net/http"
)

// HTTPHandler returns the handler for port 80. It answers the challenges of the CA, and redirects GET and HEAD requests for one of the domains to
// https, on port 443. It refuses other requests, because their token and body have already crossed the network in the clear, and a client that follows
// a redirect would never learn of it.
func (m *Manager) HTTPHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.issuer.HandleHTTPChallenge(w, r) {
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		domain, err := Domain(host)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case err != nil || !m.serves(domain): // a redirect to any host would lend the server's name to others
			w.WriteHeader(http.StatusMisdirectedRequest)
			_, _ = io.WriteString(w, "this server has another name\n")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "this address has no TLS; use https://"+domain+"\n")
		default:
			w.Header().Set("Location", "https://"+domain+r.URL.RequestURI())
			w.WriteHeader(http.StatusPermanentRedirect)
			_, _ = io.WriteString(w, "use https://"+domain+"\n")
		}
	})
}
