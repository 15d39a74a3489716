package sse

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// RedirectError says why a redirect was not followed.
type RedirectError struct {
	URL    string // where it led, without password
	Reason string
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("sse: the redirect to %.200q was not followed: %s", e.URL, e.Reason)
}

const maxRedirects = 10 // as net/http; browsers allow 20

// redirector returns client with redirects that give nothing away to other origins. net/http itself drops only a
// few well-known fields, keeps them within a domain whatever the scheme, and sends the body anywhere.
func redirector(client *http.Client) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	c, check := *client, client.CheckRedirect
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := guardRedirect(req, via); err != nil {
			return err
		}
		if check != nil {
			return check(req, via)
		}
		if len(via) >= maxRedirects {
			return &RedirectError{req.URL.Redacted(), fmt.Sprintf("there were %d redirects before", len(via))}
		}
		return nil
	}
	return &c
}

func guardRedirect(req *http.Request, via []*http.Request) error {
	if s := req.URL.Scheme; s != "http" && s != "https" {
		return &RedirectError{req.URL.Redacted(), "it leaves HTTP"}
	}
	// Once elsewhere, for good: a way back must not bring the credentials back, since whoever redirects chooses
	// the path they would go to.
	crossed := false
	for _, r := range append(via[1:len(via):len(via)], req) {
		crossed = crossed || origin(r.URL) != origin(via[0].URL)
	}
	if !crossed {
		return nil
	}
	if req.Body != nil && req.Body != http.NoBody {
		_ = req.Body.Close()
		return &RedirectError{req.URL.Redacted(), "it leads to another origin, which must not get the body"}
	}
	for name := range req.Header {
		switch name {
		case "Accept", "Cache-Control", headerLastEventID:
		default:
			delete(req.Header, name)
		}
	}
	return nil
}

// origin returns scheme, host and port (WHATWG HTML 7.1.1).
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
