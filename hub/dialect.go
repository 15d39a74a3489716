package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Dialect is an HTTP interface of the hub: its paths, how requests describe subscriptions, and the form of events and errors. Several
// dialects serve one log.
//
// A route for a stream calls [Hub.Authorize], parses the subscription, checks it against the grant, and returns the result of [Hub.Stream].
// A route that publishes calls [Hub.Authorize], and returns the result of [Hub.Receive].
//
// The hub answers OPTIONS, with the fields of Headers in its answers to preflights. It applies [Options.AllowOrigins] and [Options.Local],
// and refuses methods that a route does not have and requests before [Hub.Open]. It writes refusals with Refuse. All methods must be safe
// for concurrent use.
type Dialect interface {
	// Routes returns the routes of the dialect. It must always return the same routes.
	Routes() []Route

	// Headers returns the names of header fields for CORS: those that pages of other origins may send, and those of responses that they may
	// read. Fields that every page may read need no entry (Fetch standard, CORS-safelisted response-header name).
	Headers() (request, response []string)

	// Refuse answers a request that failed. The hub turns other errors into a [*Problem] whose cause is the error. It has already set the
	// header fields for CORS.
	Refuse(w http.ResponseWriter, r *http.Request, p *Problem)
}

// Route is a path of a dialect and its handler.
type Route struct {
	// Path is compared with the escaped path of a request. A path that ends in / includes all paths below it. The first route of the hub and
	// of [Options.Dialects], in this order, that includes a path gets its requests. A route that would get none is an error of [Prepare].
	Path    string
	Methods []string

	// Serve answers a request, or returns an error for Refuse. below is the rest of the request's path after Path. Errors of the hub,
	// of eventlog and of access can be returned unchanged.
	Serve func(h *Hub, w http.ResponseWriter, r *http.Request, below string) error
}

// Encoding is the format of a stream. Encodings with equal keys must make the same bytes, because streams share them. Methods must be safe
// for concurrent use and must not block. Event and Control must not panic: most calls come from goroutines of the hub, where a panic ends
// the process.
type Encoding interface {
	// Key names the encoding, also in metrics. A dialect has a handful of keys, not one for each stream. A stream whose encoding has the key
	// of another encoding and makes other bytes is refused.
	Key() string

	// Header sets the header fields of the response.
	Header(h http.Header)

	// Event appends an event to b. A record with the flag [eventlog.End] also ends its topics. If nothing is appended, subscribers do
	// not get the event.
	Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte

	// Control appends a control message to b. If nothing is appended, subscribers do not get the message.
	Control(b []byte, c Control) []byte
}

// Control is a message about a stream at the time Now; Kind says which other fields are set. At is the position up to which all matching
// events were sent. Retry, unless 0, is the reconnection time for the end of the stream.
type Control = fanout.Control

// The kinds of control messages.
const (
	ControlOpened     = fanout.ControlOpened     // the stream begins at At; only a ControlGap comes before it
	ControlCheckpoint = fanout.ControlCheckpoint // the position has advanced to At without an event for the subscriber
	ControlGap        = fanout.ControlGap        // Gap says which events are missing
	ControlExpiring   = fanout.ControlExpiring   // the grant ends at Expires, and the stream with it
	ControlLeaving    = fanout.ControlLeaving    // the stream ends at At; the client may reconnect
	ControlHeartbeat  = fanout.ControlHeartbeat  // no event for a while; some proxies close silent connections
	ControlNotice     = fanout.ControlNotice     // Notice is the data of a presence event (docs/protocol.md) for Subscription.Watch
)

// Gap reports that events after From, up to and including To, may be missing. From is the position as the client sent it.
type Gap = fanout.Gap

// Start defines where a stream begins: after the latest valid position in Positions. If none is valid, it begins at Seek, and if Seek is
// nil, with new events only. A poll ends before the position Before, unless it is zero. Positions are as the client sent them. An invalid position causes a gap.
type Start = fanout.Start

// GapError is the error of [Hub.Stream] for a subscription with FailOnGap that would begin with a gap. As a problem it has the status 410.
type GapError = fanout.GapError

// ErrComplete is the error of [Hub.Stream] when all topics have ended and the client has everything.
var ErrComplete = fanout.ErrEnded

// Subscription is a request for a stream, checked against its grant.
type Subscription struct {
	Selector eventlog.Selector

	// Filter names the selector's filter. Subscriptions with the same topics and the same name share their bytes; their filters must
	// keep the same records. If it is empty, a subscription with a filter shares nothing. Without a filter it has no effect.
	//
	// A filter must keep records with the flag End. Otherwise the stream stays open after its topics have ended. A filter or a matcher
	// that panics ends the process.
	Filter string

	Start    Start
	Encoding Encoding

	// Begin, unless nil, is called before the header of the response is sent, with the position and the gap with which the stream begins.
	Begin func(header http.Header, at eventlog.Position, gap *Gap)

	// Heartbeat is the interval of heartbeats, and makes each a checkpoint. 0: plain heartbeats at the interval of [Options.Heartbeat]
	Heartbeat time.Duration

	FailOnGap bool // a gap ends the stream, and one at its beginning is a *GapError
	Poll      bool // the response ends after the newest event
	Limit     int  // a poll ends after this many events; 0: no limit

	// Present, unless nil, makes the subject of the grant present at topics while the stream is open. Watch are topics whose presence the stream
	// gets as messages ControlNotice. Both have names, and no name twice. Polls ignore them.
	Present *Present
	Watch   []string
}

// served is a route in the hub's table.
type served struct {
	Route
	audience audience
	dialect  Dialect

	allowHeaders, exposeHeaders string // from Dialect.Headers
}

func newServed(route Route, s audience, d Dialect) served {
	allow, expose := d.Headers()
	return served{route, s, d, strings.Join(allow, ", "), strings.Join(expose, ", ")}
}

// routesOf returns all routes of a hub, those of the native dialect and of the hub itself first.
func routesOf(dialects []Dialect) (all []served) {
	own := native{}
	for _, route := range own.Routes() {
		all = append(all, newServed(route, users, own))
	}
	for _, route := range ownRoutes {
		all = append(all, newServed(route.Route, route.audience, own))
	}
	for _, d := range dialects {
		for _, route := range d.Routes() {
			all = append(all, newServed(route, users, d))
		}
	}
	return all
}

// checkRoutes returns an error if a route could never answer: a path that no request has, or all of whose requests go to an earlier route.
func checkRoutes(dialects []Dialect) error {
	all := routesOf(dialects)
	for i := range all {
		route := &all[i]
		u, err := url.ParseRequestURI(route.Path)
		switch {
		case err != nil || u.EscapedPath() != route.Path:
			return fmt.Errorf("hub: the route %q of %T is not an escaped path; a path begins with / and has no query", route.Path, route.dialect)
		case route.Serve == nil || len(route.Methods) == 0:
			return fmt.Errorf("hub: the route %s of %T needs a handler and a method", route.Path, route.dialect)
		}
		for _, earlier := range all[:i] {
			switch {
			case earlier.Path == route.Path:
				return fmt.Errorf("hub: two routes have the path %s, of %T and of %T", route.Path, earlier.dialect, route.dialect)
			case earlier.takes(route.Path):
				return fmt.Errorf("hub: the route %s of %T gets no requests, because %s of %T comes first and includes all paths below it; move it before that route, or give it another path",
					route.Path, route.dialect, earlier.Path, earlier.dialect)
			}
		}
	}
	return nil
}

// takes reports whether requests with a path go to the route.
func (s *served) takes(path string) bool {
	below, ok := strings.CutPrefix(path, s.Path)
	return ok && (below == "" || strings.HasSuffix(s.Path, "/"))
}
