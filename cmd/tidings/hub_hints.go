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

// hubHint is the hint when no server answers at the address of a hub.
const hubHint = "is a hub running? tidings serve starts one, and --hub names another"

// hintLine returns a hint as the last line of an error, "" for none.
func hintLine(hint string) string {
	if hint == "" {
		return ""
	}
	return "\nhint: " + hint
}

// connectionHint says what to do when a hub, or another server, could not be reached; "" if there is nothing to say.
func connectionHint(err error, at address.Hub) string {
	switch {
	case nobody(err):
		return hubHint
	case tlsWanted(err):
		return speaksHTTPS(at.URL)
	case tlsRefused(err):
		return "it speaks HTTP, without TLS: " + withScheme(at.URL, "http")
	}
	return certificateHint(err)
}

// noHubHint is for an answer that no hub gives at an address, "" for one that says nothing about that: any proxy may be overloaded, or
// want a token.
func noHubHint(at address.Hub, status int) string {
	switch {
	case status/100 <= 3, status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
	default:
		return ""
	}
	hint := "is there a hub at " + at.String() + "?"
	if path := strings.TrimPrefix(at.URL.Path, "/event/"); path != "" {
		topic := *at.URL
		topic.Path, topic.RawPath = "/events/"+strings.TrimPrefix(path, "/"), ""
		hint += " The URL of a topic is such as " + address.Name(&topic)
	}
	return hint
}

// nobody reports whether a request failed because no server listens at the address.
func nobody(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	if ok && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" && errors.Is(err, fs.ErrNotExist) // a socket in the file system
}

// tlsWanted reports whether the answer to plain HTTP was a record of TLS (RFC 8446, 5.1): an alert, of version 3.x.
func tlsWanted(err error) bool {
	return strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`)
}

// tlsRefused reports whether the answer to the beginning of TLS was none.
func tlsRefused(err error) bool {
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return record || errors.Is(err, http.ErrSchemeMismatch)
}

// plainToTLS are what servers say, with status 400, to plain HTTP on a port of HTTPS: net/http, nginx, Apache.
var plainToTLS = []string{"HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled"}

// statusHint says what to do about a refusal by its status and what the server said; "" if there is nothing to say.
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
			return "get a new token: this one was revoked" // token explain cannot know
		}
		return tokenHint(token)
	case http.StatusForbidden:
		if token != "" {
			return "tidings token explain says what the token grants"
		}
	}
	return ""
}

// tokenHint says what to do after a 401: there is no token, or the hub does not take it.
func tokenHint(token string) string {
	if token == "" {
		return "give a token with --token or TIDINGS_TOKEN"
	}
	return "tidings token explain says what is wrong with the token"
}

func speaksHTTPS(u *url.URL) string { return "it speaks HTTPS: " + withScheme(u, "https") }

// withScheme returns a URL, without its path, as it should have been.
func withScheme(u *url.URL, scheme string) string {
	if u == nil {
		return scheme + "://…"
	}
	return scheme + "://" + u.Host
}

const insecureHint = "--insecure takes any certificate"

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
		return "--ca FILE trusts the authority that has signed it; " + insecureHint
	case errors.As(err, &host):
		return "use a name that the certificate has; " + insecureHint
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "is the clock right? If so, the certificate has to be renewed; " + insecureHint
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
