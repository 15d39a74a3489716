package sse

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// RedirectError says why a redirect was not followed.
type RedirectError struct {
	URL    string // the target, without password
	Reason string
	Err    error // from the caller's CheckRedirect; nil if another rule refused the redirect
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("sse: the redirect to %.200q was not followed: %s", e.URL, e.Reason)
}

func (e *RedirectError) Unwrap() error { return e.Err }

const maxRedirects = 10 // as net/http; browsers allow 20

// redirector returns a copy of client that leaks nothing to other origins when it follows a redirect. It calls followed
// with a copy of each redirected request. net/http itself drops only a few well-known header fields, keeps those within
// a domain whatever the scheme, and sends the body to any host.
func redirector(client *http.Client, followed func(*http.Request)) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	c, check := *client, client.CheckRedirect
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := guardRedirect(req, via); err != nil {
			return err
		}
		if err := allowRedirect(check, req, via); err != nil {
			return err
		}
		followed(req.Clone(req.Context())) // before a cookie jar adds to it
		return nil
	}
	return &c
}

// allowRedirect applies check, the caller's rule. Without one it limits the number of redirects.
func allowRedirect(check func(*http.Request, []*http.Request) error, req *http.Request, via []*http.Request) error {
	switch {
	case check == nil && len(via) >= maxRedirects:
		return refuseRedirect(req, fmt.Sprintf("it exceeds the limit of %d redirects", maxRedirects))
	case check == nil:
		return nil
	}
	err := check(req, via)
	if err == nil || errors.Is(err, http.ErrUseLastResponse) {
		return err
	}
	return &RedirectError{URL: req.URL.Redacted(), Reason: err.Error(), Err: err}
}

func guardRedirect(req *http.Request, via []*http.Request) error {
	if s := req.URL.Scheme; s != "http" && s != "https" {
		return refuseRedirect(req, "its scheme is neither http nor https")
	}
	if fault := unreachable(req.URL); fault != "" {
		return refuseRedirect(req, "it "+fault)
	}
	// Once a chain has left the origin, a redirect back does not restore the credentials: the other origin would choose
	// the path that receives them.
	crossed := false
	for _, r := range append(via[1:len(via):len(via)], req) {
		crossed = crossed || origin(r.URL) != origin(via[0].URL)
	}
	if !crossed {
		return nil
	}
	if req.Body != nil && req.Body != http.NoBody {
		_ = req.Body.Close()
		return refuseRedirect(req, "its target is another origin, which must not receive the request's body")
	}
	req.Host, req.URL.User = "", nil // net/http keeps Host; User would become an Authorization field
	for name := range req.Header {
		switch name {
		case "Accept", "Cache-Control", headerLastEventID:
		default:
			delete(req.Header, name)
		}
	}
	return nil
}

func refuseRedirect(req *http.Request, reason string) error {
	return &RedirectError{URL: req.URL.Redacted(), Reason: reason}
}

// origin returns scheme, host and port (WHATWG HTML 7.1.1).
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
