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

// Client subscribes to event streams and reconnects as EventSource does (WHATWG HTML 9.2.2 and 9.2.3). Unlike
// EventSource, it can send any request, and it waits longer after each failure. The zero value is ready to use. A
// Client is safe for concurrent use; its fields must not be changed while it is in use.
//
// A subscription runs in the goroutine that ranges over its sequence; a Client starts no goroutines.
type Client struct {
	// HTTP sends the requests; nil means [http.DefaultClient]. Its Timeout must be 0, because it limits the whole
	// stream.
	//
	// The client follows redirects as CheckRedirect allows, by default up to 10. A redirect to another origin drops all
	// header fields but Accept, Cache-Control and Last-Event-ID, and is refused if the request has a body. A cookie jar
	// adds cookies by its own rules.
	//
	// A reconnection starts from the request's own URL, or from the URL that answered last if the policy sets
	// [Failure.KeepRedirect]. Header fields that a redirect dropped stay dropped.
	HTTP *http.Client

	// Backoff computes the delay before each reconnection.
	Backoff Backoff

	// Recover is the policy: it decides after each failure whether to reconnect, and after which delay. Nil means
	// [Resilient]; [WHATWG] is the policy of browsers.
	Recover func(*Failure) (time.Duration, bool)

	// IdleTimeout limits the wait for bytes, both for the response and inside the stream. A connection that is silent for
	// longer counts as broken. Comments are bytes, too. The time that the caller spends on an event does not count. 0
	// means no limit.
	IdleTimeout time.Duration

	// MaxEvent, Comment and Dataless are those of [ReadOptions]. The ranging goroutine calls Comment.
	MaxEvent int
	Comment  func(text []byte)
	Dataless bool

	// Observe, if set, is called by the ranging goroutine at each change of state, in order:
	//   - Connecting with nil at the start, and after [Source.Restart];
	//   - Open with nil when events may arrive;
	//   - Connecting with the failure before each delay;
	//   - Closed at the end, with the failure that ended the subscription, or nil.
	Observe func(State, *Failure)

	// Repeat allows reconnections for methods other than GET and HEAD. A request with a body then needs GetBody.
	Repeat bool
}

// Subscribe receives the events of the stream at a URL with the zero [Client]; see [Client.Subscribe]. While the
// server is unreachable it retries silently until ctx is done. To learn why, use a Client with Observe.
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

// Subscribe sends req, yields the events of the response, and reconnects with the last event ID when the stream ends.
// To start from a position, set Last-Event-ID in the header of req. The sequence can be used once. It ends
//   - without an error when the loop breaks;
//   - without an error when the server answers 204 No Content;
//   - with the context's error as soon as the request's context is done;
//   - with the last failure when Recover gives up.
//
// A request whose method is not GET or HEAD is sent once, unless Repeat is set: its sequence ends without an error when
// the stream ends cleanly, else with the failure.
func (c *Client) Subscribe(req *http.Request) iter.Seq2[Event, error] {
	return c.Open(req).Events()
}

// Open subscribes as [Client.Subscribe] does. It returns a Source, which shows the state of the subscription, and which
// other goroutines can restart or close. The request is sent when the range over [Source.Events] begins. Close
// a Source that is never ranged over.
func (c *Client) Open(req *http.Request) *Source {
	ctx, cancel := context.WithCancel(req.Context())
	s := &Source{client: c, req: req, ctx: ctx, cancel: cancel, lastEventID: req.Header.Get(headerLastEventID)}
	s.http = redirector(c.HTTP, func(req *http.Request) { s.redirected = req })
	s.events = once(s.run)
	return s
}

// RequestError says why a request cannot be sent, or cannot be sent again.
type RequestError struct{ Reason string }

func (e *RequestError) Error() string { return "sse: unusable request: " + e.Reason }

// check returns an error if every attempt to send req would fail.
func (c *Client) check(req *http.Request) error {
	if req.URL == nil {
		return &RequestError{"it has no URL"}
	}
	if req.RequestURI != "" {
		return &RequestError{"its RequestURI is set, as in a request that a server received; create a new request"}
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
				return &RequestError{fmt.Sprintf("the header field %q cannot be sent: its name is invalid, or its value contains a control character", name)}
			}
		}
	}
	if c.repeatable(req) && req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return &RequestError{"its GetBody is nil, but each reconnection sends the body again"}
	}
	return nil
}

// speaksHTTP reports whether the transport is net/http's; a custom one may support other schemes.
func (c *Client) speaksHTTP() bool {
	if c.HTTP == nil || c.HTTP.Transport == nil {
		return true
	}
	_, standard := c.HTTP.Transport.(*http.Transport)
	return standard
}

// unreachable says what is wrong with the host or port of a URL, "" if both are valid.
func unreachable(u *url.URL) string {
	if u.Hostname() == "" {
		return "names no host"
	}
	if p := u.Port(); p != "" {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return "has an invalid port"
		}
	}
	return ""
}

func (c *Client) repeatable(req *http.Request) bool {
	return c.Repeat || req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead
}

const headerLastEventID = "Last-Event-Id" // in the canonical form of net/http

// maxSentID is the longest last event ID, in bytes, that is sent to a server. Many servers refuse header fields larger
// than 8 KiB, and a refusal would end the subscription.
const maxSentID = 8 << 10

// sendable reports whether net/http sends value in a header field.
func sendable(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < 0x20 && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}
