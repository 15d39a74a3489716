package tidings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/sse"
)

// DefaultURL is the URL of a hub with default settings, on this machine.
const DefaultURL = address.Default

// Client publishes and subscribes to one hub. The zero value uses the hub at [DefaultURL]. A Client is safe for concurrent use and must
// not be changed while in use.
type Client struct {
	// URL is the base URL of the hub, the part before /events: https://hub.example or https://example.com/prefix. For
	// localhost:3000 and :3000 the scheme is http. unix:PATH is a hub on a Unix socket. "" means [DefaultURL].
	URL string

	// Token is sent as a bearer token (RFC 6750), to the URL's origin only; "" sends none.
	Token string

	// TokenFunc, when set, returns the token of each request instead, so that subscriptions can outlive a token. Its error
	// counts as a failed connection, and is retried. A token that the hub refuses is not retried. TokenFunc must be safe for
	// concurrent use.
	TokenFunc func(context.Context) (string, error)

	// Header has additional fields of each request, such as those that a proxy requires. They replace fields of the client.
	Header http.Header

	// HTTP sends the requests; nil means [http.DefaultClient]. Its Timeout must be 0: it would end subscriptions. Publishing
	// follows no redirects. For a hub at unix:PATH the Transport must be nil: the client uses one that connects to the socket.
	HTTP *http.Client

	// Backoff computes the delays before retries. The hub can ask for longer ones: by Retry-After, which is honoured up to one
	// hour, and in streams by the retry field.
	Backoff sse.Backoff

	// OnRetry, when set, is called before each retry, with the failure and the delay. The failure is a [*Problem] if the hub
	// refused or asked to reconnect later, [sse.ErrEnded] if it ended a stream cleanly, else the error of the connection. The
	// goroutine that publishes or ranges calls it; for [Client.PublishStream] a goroutine of the method.
	//
	// Without OnRetry the first failure of each call is logged as a warning.
	OnRetry func(err error, wait time.Duration)

	// Log gets these warnings; nil means [slog.Default].
	Log *slog.Logger
}

// hub returns the address of the hub.
func (c *Client) hub() (address.Hub, error) {
	if c.URL != "" && !address.Is(c.URL) {
		return address.Hub{}, fmt.Errorf("the URL of the hub, %q, has neither a scheme nor a port", c.URL)
	}
	h, err := address.ParseHub(c.URL)
	if err != nil {
		return h, fmt.Errorf("the URL of the hub: %w", err)
	}
	return h, nil
}

// endpoint returns the URL of the hub's events with the given parameters.
func (c *Client) endpoint(params url.Values) (*url.URL, error) {
	h, err := c.hub()
	if err != nil {
		return nil, err
	}
	if h.Socket != "" && c.HTTP != nil && c.HTTP.Transport != nil {
		return nil, fmt.Errorf("the hub is at %s, to which the Transport of HTTP does not connect: leave it nil", h)
	}
	u := h.URL.JoinPath("events")
	u.RawQuery = params.Encode()
	return u, nil
}

// retrying reports a failure that is retried. First says that it is the first of its call.
func (c *Client) retrying(ctx context.Context, first bool, err error, wait time.Duration) {
	if c.OnRetry != nil {
		c.OnRetry(err, wait)
		return
	}
	if !first {
		return
	}
	log := cmp.Or(c.Log, slog.Default())
	where, _ := c.hub() // endpoint has checked it
	log.WarnContext(ctx, "tidings: the hub is not reached; trying again", "hub", where.String(), "error", err, "wait", wait)
}

// prepare adds the token and the caller's fields to a request. The token of TokenFunc changes between attempts: the transport adds it.
func (c *Client) prepare(req *http.Request) error {
	if err := c.authorize(req); err != nil {
		return err
	}
	for name, values := range c.Header {
		if name = http.CanonicalHeaderKey(name); name == "Host" && len(values) > 0 {
			req.Host = values[0]
			continue
		}
		req.Header[name] = slices.Clone(values)
	}
	return nil
}

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

// client returns the HTTP client for requests to a hub.
func (c *Client) client(hub *url.URL) *http.Client {
	client := cmp.Or(c.HTTP, http.DefaultClient)
	if h, err := c.hub(); err == nil && h.Socket != "" {
		own := *client
		own.Transport = socketTransport(h)
		client = &own
	}
	if c.TokenFunc == nil {
		return client
	}
	own := *client
	own.Transport = &tokenTransport{base: own.Transport, token: c.TokenFunc, scheme: hub.Scheme, host: hub.Host}
	return &own
}

// sockets has the transports to Unix sockets, by path. They are shared, like http.DefaultTransport, so that a Client needs no Close.
var sockets sync.Map // of *http.Transport

func socketTransport(h address.Hub) *http.Transport {
	if t, ok := sockets.Load(h.Socket); ok {
		return t.(*http.Transport)
	}
	t, _ := sockets.LoadOrStore(h.Socket, h.Transport(&http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second}))
	return t.(*http.Transport)
}

// tokenTransport adds a current token to requests to the hub's origin. Other origins, to which a redirect may lead, get none.
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

// wrap adds the prefix that the errors of a public call have.
func wrap(err *error, call string) {
	if *err != nil {
		*err = fmt.Errorf("tidings: %s: %w", call, *err)
	}
}
