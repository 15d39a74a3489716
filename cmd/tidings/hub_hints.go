package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/internal/address"
)

// hubHint is what to do when there is no hub at an address.
const hubHint = "tidings serve starts one, and --hub names another"

// isThereAHub is the hint when no hub answers at its address.
func isThereAHub(at address.Hub) string { return "is there a hub at " + at.String() + "? " + hubHint }

// hintLine returns a hint as the last line of an error, "" for none.
func hintLine(hint string) string {
	if hint == "" {
		return ""
	}
	return "\nhint: " + hint
}

// connectionHint says what to do when a server could not be reached, "" if there is nothing to say. isHub means that it should be a hub.
func connectionHint(err error, at address.Hub, isHub bool) string {
	switch {
	case noServer(err) && isHub:
		return isThereAHub(at)
	case noServer(err):
		return ""
	case outOfSockets(err):
		return socketHint
	case tlsWanted(err):
		return speaksHTTPS(at.URL)
	case tlsRefused(err):
		return "it speaks HTTP, without TLS: " + withScheme(at.URL, "http")
	}
	return certificateHint(err)
}

// noHubHint is the hint for an answer with a status that hubs do not send. It is "" for other statuses: a proxy before a hub may be
// overloaded or require a token.
func noHubHint(at address.Hub, status int) string {
	switch {
	case status/100 <= 3, status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
	default:
		return ""
	}
	hint := isThereAHub(at)
	if path := strings.TrimPrefix(at.URL.Path, "/event/"); path != "" {
		topic := *at.URL
		topic.Path, topic.RawPath = "/events/"+strings.TrimPrefix(path, "/"), ""
		hint += ". The URL of a topic is such as " + address.Name(&topic)
	}
	return hint
}

// noServer reports whether a request failed because no server listens at the address.
func noServer(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	if ok && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" && errors.Is(err, fs.ErrNotExist) // a socket in the file system
}

// outOfSockets reports whether a connection failed because this process or system has no more files or ports for sockets.
func outOfSockets(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

const socketHint = "each connection needs an open file and a local port: raise the limit of open files (ulimit -n), or connect from more addresses (--source)"

// tlsWanted reports whether a server answered plain HTTP with a TLS alert (RFC 8446, section 5.1).
func tlsWanted(err error) bool {
	return strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`)
}

// tlsRefused reports whether a server answered a TLS handshake with something else, such as plain HTTP.
func tlsRefused(err error) bool {
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return record || errors.Is(err, http.ErrSchemeMismatch)
}

// plainToTLS are texts that servers answer, with status 400, to plain HTTP on an HTTPS port: net/http, nginx, Apache.
var plainToTLS = []string{"HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled"}

// statusHint says what to do about a refusal with a status and a text, "" if there is nothing to say.
func statusHint(status int, said string, u *url.URL, token string) string {
	switch status {
	case http.StatusBadRequest:
		for _, words := range plainToTLS {
			if strings.Contains(said, words) {
				return speaksHTTPS(u)
			}
		}
	case http.StatusUnauthorized:
		if token != "" && strings.Contains(said, "the token was revoked") {
			return "get a new token: this one was revoked" // tidings token explain cannot tell
		}
		return tokenHint(token)
	case http.StatusForbidden:
		if token != "" {
			return "tidings token explain says what the token grants"
		}
	}
	return ""
}

// tokenHint says what to do after a 401: the request had no token, or one that the hub refuses.
func tokenHint(token string) string {
	if token == "" {
		return "give a token with --token or TIDINGS_TOKEN"
	}
	return "tidings token explain says what is wrong with the token"
}

func speaksHTTPS(u *url.URL) string { return "it speaks HTTPS: " + withScheme(u, "https") }

// withScheme returns a URL with another scheme and without its path.
func withScheme(u *url.URL, scheme string) string {
	if u == nil {
		return scheme + "://…"
	}
	return scheme + "://" + u.Host
}

const insecureHint = "--insecure accepts any certificate"

// certificateHint says what to do about a certificate that is not trusted; "" if err is about something else.
func certificateHint(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		any       *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &authority):
		return "--ca FILE trusts the authority that signed it; " + insecureHint
	case errors.As(err, &host):
		return "use a name that the certificate has; " + insecureHint
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "is the clock right? If so, renew the certificate; " + insecureHint
	case errors.As(err, &any):
		return insecureHint
	}
	return ""
}

// certificateText says in a few words what is wrong with a certificate; "" if err is about something else.
func certificateText(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that is unknown here"
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is not for %s, but for %s", host.Host, certificateNames(host.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return "its certificate is not valid before " + invalid.Cert.NotBefore.Format(time.DateTime+" MST")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, on " + invalid.Cert.NotAfter.Format(time.DateTime+" MST")
	}
	return ""
}

// certificateNames returns the names of a certificate, the first few of many.
func certificateNames(c *x509.Certificate) string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 5
	switch {
	case len(names) == 0:
		return "no host at all"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
