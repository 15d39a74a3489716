package hub

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Dialect is an interface of the hub over HTTP: which paths there are, how requests ask for streams, what events look like, and how
// requests are refused. Several dialects serve one log.
//
// A route that answers with a stream calls [Hub.Authorize], reads from the request what it asks for, checks that against the grant, and
// returns the result of [Hub.Stream]. A route that publishes calls [Hub.Authorize] and [Hub.PublishRequest].
//
// The hub answers OPTIONS and methods that a route does not have, applies [Options.AllowOrigins] and [Options.Local], and refuses everything
// before [Hub.Open], with Refuse. All methods are called by several goroutines.
type Dialect interface {
	// Routes returns the paths of the dialect. It is called once, and always returns the same.
	Routes() []Route

	// Refuse answers a request to one of the routes that failed. Every error is a problem: those of routes that are none are mapped
	// to one, with the error as its cause. Fields for CORS are set already.
	Refuse(w http.ResponseWriter, r *http.Request, p *Problem)
}

// Route is what can be done under a path.
type Route struct {
	// Path is compared with the escaped path of a request. A path that ends in / includes all paths below it.
	Path    string
	Methods []string

	// Serve answers a request, or returns why not. below is what the request's path has below Path. Errors of the hub, of
	// eventlog and of access can be returned as they are.
	Serve func(h *Hub, w http.ResponseWriter, r *http.Request, below string) error
}

// Encoding is the form of a stream. Events and control messages with equal keys must have the same bytes: they are made once and shared by
// all streams. Methods are called by several goroutines, and must not block.
type Encoding interface {
	// Key names the encoding, also in metrics. A dialect has a handful of keys, not one for each stream.
	Key() string

	// Header sets the fields of an answer.
	Header(h http.Header)

	// Event appends an event. A record with the flag [eventlog.End] says that its topics have ended, too. Appending nothing hides
	// the event.
	Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte

	// Control appends a control message. Appending nothing leaves it out.
	Control(b []byte, c Control) []byte
}

// Control is a message about a stream: Kind, the time Now, and what the kind says. At is the position up to which everything that matches was
// sent. Retry, unless 0, is when the client should reconnect after the stream's end.
type Control = fanout.Control

// The kinds of control messages.
const (
	ControlOpened     = fanout.ControlOpened     // the stream begins at At; only a ControlGap comes before it
	ControlCheckpoint = fanout.ControlCheckpoint // the position has advanced to At, without an event that says so
	ControlGap        = fanout.ControlGap        // Gap says which events are missing
	ControlExpiring   = fanout.ControlExpiring   // the grant ends at Expires, and the stream with it
	ControlLeaving    = fanout.ControlLeaving    // the stream ends at At; the client may reconnect
	ControlHeartbeat  = fanout.ControlHeartbeat  // nothing happened for a while; for some proxies, silence is a dead connection
)

// Gap says that events after From, up to and including To, may be missing. From is as the client sent it.
type Gap = fanout.Gap

// Start says where a stream begins: after the latest of Positions that is valid; if none is, at Seek, or if that is nil, now. Positions are as
// the client sent them. One that is not valid makes a gap.
type Start = fanout.Start

// GapError is the error of [Hub.Stream] for a subscription with FailOnGap that would begin with a gap. Without a dialect's own answer it is
// 410.
type GapError = fanout.GapError

// ErrComplete is the error of [Hub.Stream] when all topics have ended and the client has everything.
var ErrComplete = fanout.ErrEnded

// Subscription is what a request asks for, checked against its grant.
type Subscription struct {
	Selector eventlog.Selector

	// Filter names the selector's filter: subscriptions to the same topics with the same name share their bytes, so that their filters
	// must keep the same records. Empty, a filtered subscription shares with no other. Without a filter it means nothing.
	Filter string

	Start    Start
	Encoding Encoding

	// Begin, unless nil, is called with the header of the answer when it is known where the stream begins, and whether with a gap.
	Begin func(header http.Header, at eventlog.Position, gap *Gap)

	// Heartbeat makes each heartbeat a checkpoint, and is their interval. 0: the hub's own heartbeats
	Heartbeat time.Duration

	FailOnGap bool // a gap ends the stream, and one at its beginning is a *GapError
	Poll      bool // the answer ends with the newest event that there is
}

// served is a route in the hub's table.
type served struct {
	Route
	side    side
	dialect Dialect
}

// routesOf returns the table of a hub: the native dialect and the hub's own routes come first.
func routesOf(dialects []Dialect) (all []served) {
	own := native{}
	for _, route := range own.Routes() {
		all = append(all, served{route, users, own})
	}
	for _, route := range ownRoutes {
		all = append(all, served{route.Route, route.side, own})
	}
	for _, d := range dialects {
		for _, route := range d.Routes() {
			all = append(all, served{route, users, d})
		}
	}
	return all
}

// checkRoutes returns an error if two routes have the same path.
func checkRoutes(dialects []Dialect) error {
	seen := make(map[string]bool)
	for _, route := range routesOf(dialects) {
		if seen[route.Path] {
			return fmt.Errorf("hub: two routes have the path %s", route.Path)
		}
		seen[route.Path] = true
	}
	return nil
}
