package tidings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// DefaultURL is where a hub listens if nothing else is said.
const DefaultURL = "http://localhost:3000"

// Client speaks with one hub. The zero value speaks with the one at [DefaultURL]. A Client is safe for concurrent use and must
// not be changed while in use.
type Client struct {
	// URL is the hub's base: what comes before /events. "" means [DefaultURL].
	URL string

	// Token is sent as a bearer token (RFC 6750), to the URL's origin only; "" sends none.
	Token string

	// TokenFunc, when set, is asked for the token before each request instead, so that long subscriptions can outlive a
	// token. An error of its counts as that of a connection: it is tried again. A token that the hub refuses is not, so it
	// should last for more than the request. It must be safe for concurrent use.
	TokenFunc func(context.Context) (string, error)

	// HTTP sends the requests; nil means [http.DefaultClient]. Its Timeout would cover whole subscriptions: leave it 0.
	// Publishing follows no redirects.
	HTTP *http.Client

	// Backoff is how long to wait before trying again. The hub can ask for more: by Retry-After, which is honoured up to an
	// hour, and subscriptions by the stream's retry field.
	Backoff sse.Backoff

	// OnRetry, when set, is called with each failure that is followed by another attempt, and with the time until then: a
	// [*Problem] if the hub refused or sent away, [sse.ErrEnded] when it ended a stream cleanly, else what broke. The
	// goroutine that publishes or ranges calls it; of [Client.PublishStream] it is one of the method's own.
	OnRetry func(err error, wait time.Duration)
}

// endpoint returns the URL of the hub's events with the given parameters.
func (c *Client) endpoint(params url.Values) (*url.URL, error) {
	base := c.URL
	if base == "" {
		base = DefaultURL
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the URL of the hub cannot be read: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("the URL of the hub, %q, is not one of http:// or https:// with a host", u.Redacted())
	}
	u = u.JoinPath("events")
	u.RawQuery, u.Fragment = params.Encode(), ""
	return u, nil
}

// authorize adds the token to a request. TokenFunc's is the transport's affair, since it changes between attempts.
func (c *Client) authorize(req *http.Request) error {
	if c.Token == "" || c.TokenFunc != nil {
		return nil
	}
	if !visible(c.Token) {
		return errors.New("the token is not of visible ASCII characters only; is there a line end in it?")
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	return nil
}

// client returns what sends requests to hub.
func (c *Client) client(hub *url.URL) *http.Client {
	client := http.DefaultClient
	if c.HTTP != nil {
		client = c.HTTP
	}
	if c.TokenFunc == nil {
		return client
	}
	own := *client
	own.Transport = &tokenTransport{base: own.Transport, token: c.TokenFunc, scheme: hub.Scheme, host: hub.Host}
	return &own
}

// tokenTransport adds a token of its time to requests that go to the hub itself, and to no other host that a redirect names.
type tokenTransport struct {
	base         http.RoundTripper
	token        func(context.Context) (string, error)
	scheme, host string
}

func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	if req.URL.Scheme != t.scheme || req.URL.Host != t.host {
		return base.RoundTrip(req)
	}
	token, err := t.token(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as every RoundTripper must
		}
		return nil, fmt.Errorf("no token: %w", err)
	}
	req = req.Clone(req.Context()) // a RoundTripper must not change the request
	req.Header.Set("Authorization", "Bearer "+token)
	return base.RoundTrip(req)
}

// wrap adds the one prefix that errors of a public call have.
func wrap(err *error, call string) {
	if *err != nil {
		*err = fmt.Errorf("tidings: %s: %w", call, *err)
	}
}
