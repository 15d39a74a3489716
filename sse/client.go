package sse

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client follows event streams and reconnects as EventSource does (WHATWG HTML 9.2.2 and 9.2.3), with what
// programs need beyond it. The zero value is ready. A Client is safe for concurrent use and must not be
// changed while in use.
//
// It runs in the goroutine that ranges over the sequence and starts none of its own.
type Client struct {
	// HTTP sends the requests; nil means [http.DefaultClient]. Its Timeout covers whole streams: leave it 0.
	// Redirects are followed as its CheckRedirect allows, 10 by default. To another origin only Accept, Cache-Control
	// and Last-Event-ID go along, and nothing goes to it that had a body. A reconnection starts from the request's own
	// URL, or from where the redirects led if the policy sets [Failure.KeepRedirect]; to another origin it sends no more than
	// the redirect did. A cookie jar keeps its own rules about what it adds.
	HTTP *http.Client

	// Backoff is how long to wait before reconnecting.
	Backoff Backoff

	// Recover decides after each failure whether to reconnect, and after how long; nil means [Resilient].
	Recover func(*Failure) (time.Duration, bool)

	// IdleTimeout is the longest silence, while connecting or connected, before a connection counts as
	// broken. Comments are no silence. 0 means none. Time the caller spends with an event does not count.
	IdleTimeout time.Duration

	// MaxEvent, Comment and Dataless are those of [ReadOptions]. Comment is called by the ranging goroutine.
	MaxEvent int
	Comment  func(text []byte)
	Dataless bool

	// Observe, when set, is called by the ranging goroutine with every change of state, in order: Connecting
	// with nil, then Open, then Connecting with the failure before each wait, at last Closed with the
	// failure that ended it, or nil.
	Observe func(State, *Failure)

	// Repeat lets requests be repeated that are not GET or HEAD. They need no body, or a GetBody.
	Repeat bool
}

// Subscribe follows the stream at a URL with the zero [Client]. See [Client.Subscribe]. While the server cannot be reached it
// waits and tries again, for as long as ctx lasts and without a word; a Client with Observe hears why.
func Subscribe(ctx context.Context, address string) iter.Seq2[Event, error] {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL, which may hold a password
		}
		return once(func(yield func(Event, error) bool) {
			yield(Event{}, &RequestError{Reason: err.Error()})
		})
	}
	var c Client
	return c.Subscribe(req)
}

// Subscribe sends req, yields the events of the answer, and reconnects when it ends, with the last event ID. A
// starting position is set as header Last-Event-ID in req. The sequence can be used once; it ends
//   - when the loop breaks, without another word;
//   - when the server answers 204 No Content, without an error;
//   - when the request's context is done, at once, with its error;
//   - when Recover gives up, with the error of the last failure.
//
// A request that is not GET or HEAD is sent once unless Repeat says otherwise: its sequence ends without
// an error when the stream ends cleanly, else with the failure.
func (c *Client) Subscribe(req *http.Request) iter.Seq2[Event, error] {
	return c.Open(req).Events()
}

// Open is Subscribe for those who look at the state, restart or close from elsewhere. Nothing is sent before
// the range over [Source.Events] begins. A Source that is not ranged over is to be closed.
func (c *Client) Open(req *http.Request) *Source {
	ctx, cancel := context.WithCancel(req.Context())
	s := &Source{client: c, req: req, ctx: ctx, cancel: cancel, lastEventID: req.Header.Get(headerLastEventID)}
	s.http = redirector(c.HTTP, func(req *http.Request) { s.redirected = req })
	s.events = once(s.run)
	return s
}

// RequestError says why a request cannot be used for a subscription. It was not sent, or not sent again.
type RequestError struct{ Reason string }

func (e *RequestError) Error() string { return "sse: unusable request: " + e.Reason }

// check finds what would make every attempt fail alike, which no reconnecting would mend.
func (c *Client) check(req *http.Request) error {
	if req.URL == nil {
		return &RequestError{"it has no URL"}
	}
	if req.RequestURI != "" {
		return &RequestError{"its RequestURI is set, as in a request that a server has received; make a new one"}
	}
	if c.speaksHTTP() {
		if s := req.URL.Scheme; s != "http" && s != "https" {
			return &RequestError{fmt.Sprintf("the URL %q does not begin with http:// or https://", req.URL.Redacted())}
		}
		if fault := unreachable(req.URL); fault != "" {
			return &RequestError{fmt.Sprintf("the URL %q %s", req.URL.Redacted(), fault)}
		}
	}
	for name, values := range req.Header {
		for _, value := range values {
			if !isToken(name) || !sendable(value) {
				return &RequestError{fmt.Sprintf("the header field %q cannot be sent: it holds a control character, or its name is no token", name)}
			}
		}
	}
	if c.repeatable(req) && req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return &RequestError{"a body that is sent again with every reconnection needs GetBody"}
	}
	return nil
}

// speaksHTTP reports whether only HTTP can be meant: a transport of the caller's own may know other schemes.
func (c *Client) speaksHTTP() bool {
	if c.HTTP == nil || c.HTTP.Transport == nil {
		return true
	}
	_, standard := c.HTTP.Transport.(*http.Transport)
	return standard
}

// unreachable says what is wrong with an address that no host can have, "" if nothing is.
func unreachable(u *url.URL) string {
	if u.Hostname() == "" {
		return "names no host"
	}
	if p := u.Port(); p != "" {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return "has no port that exists"
		}
	}
	return ""
}

func (c *Client) repeatable(req *http.Request) bool {
	return c.Repeat || req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead
}

const headerLastEventID = "Last-Event-Id" // in the canonical form of net/http

// maxSentID is the longest last event ID that goes back to a server. Few accept a header field beyond 8 KiB,
// and one refused for its size would end the subscription.
const maxSentID = 8 << 10

// sendable reports whether net/http agrees to send value as a header field's.
func sendable(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < 0x20 && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}
