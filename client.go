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

// DefaultURL is where a hub listens if nothing else is said.
const DefaultURL = address.Default

// Client speaks with one hub. The zero value speaks with the one at [DefaultURL]. A Client is safe for concurrent use and must
// not be changed while in use.
type Client struct {
	// URL is the hub's base: what comes before /events. It is written as on the command line: https://hub.example,
	// https://example.com/prefix, localhost:3000 and :3000, for which http:// is meant, and unix:PATH for a hub that listens
	// on a socket in the file system. "" means [DefaultURL].
	URL string

	// Token is sent as a bearer token (RFC 6750), to the URL's origin only; "" sends none.
	Token string

	// TokenFunc, when set, is asked for the token before each request instead, so that long subscriptions can outlive a
	// token. An error of its counts as that of a connection: it is tried again. A token that the hub refuses is not, so it
	// should last for more than the request. It must be safe for concurrent use.
	TokenFunc func(context.Context) (string, error)

	// Header are further fields of each request, such as those that a proxy before the hub asks for. They replace fields that
	// the client would send.
	Header http.Header

	// HTTP sends the requests; nil means [http.DefaultClient]. Its Timeout would cover whole subscriptions: leave it 0.
	// Publishing follows no redirects. For a hub at unix:PATH the Transport must be nil: the client has one that connects to
	// the socket.
	HTTP *http.Client

	// Backoff is how long to wait before trying again. The hub can ask for more: by Retry-After, which is honoured up to an
	// hour, and subscriptions by the stream's retry field.
	Backoff sse.Backoff

	// OnRetry, when set, is called with each failure that is followed by another attempt, and with the time until then: a
	// [*Problem] if the hub refused or sent away, [sse.ErrEnded] when it ended a stream cleanly, else what broke. The
	// goroutine that publishes or ranges calls it; of [Client.PublishStream] it is one of the method's own.
	//
	// Without it the first failure of a call is logged as a warning, so that a program which waits for a hub says so.
	OnRetry func(err error, wait time.Duration)

	// Log gets the warning; nil means [slog.Default].
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

// retrying tells that a call goes on after a failure. First says that nothing was told before.
func (c *Client) retrying(ctx context.Context, first bool, err error, wait time.Duration) {
	if c.OnRetry != nil {
		c.OnRetry(err, wait)
		return
	}
	if !first {
		return
	}
	log := cmp.Or(c.Log, slog.Default())
	where, _ := c.hub() // endpoint has read it before
	log.WarnContext(ctx, "tidings: the hub is not reached; trying again", "hub", where.String(), "error", err, "wait", wait)
}

// prepare adds the token and the caller's own fields to a request. TokenFunc's token is the transport's affair, since it changes
// between attempts.
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

// client returns what sends requests to hub.
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

// sockets are the transports to hubs on sockets, by path. They are shared, as http.DefaultTransport is, so that a Client needs no
// Close. A program speaks with few hubs.
var sockets sync.Map // of *http.Transport

func socketTransport(h address.Hub) *http.Transport {
	if t, ok := sockets.Load(h.Socket); ok {
		return t.(*http.Transport)
	}
	t, _ := sockets.LoadOrStore(h.Socket, h.Transport(&http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second}))
	return t.(*http.Transport)
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
