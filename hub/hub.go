// Package hub is an [http.Handler] that makes an event log one that browsers can tail: publish with POST, follow with
// EventSource.
//
//	log, err := eventlog.NewMemory(nil)
//	if err != nil {
//		return err
//	}
//	h, err := hub.New(log, nil)
//	if err != nil {
//		return err
//	}
//	http.Handle("/events", h)
//	http.Handle("/events/", h)
//
// # What is promised
//
// Order: all subscribers see the order of the log.
//
// Loss: to each subscriber every retained event that matches goes out once, in order, over reconnections and restarts, or
// an event tidings.gap says otherwise. Exactly once is as parsed by a client that keeps its last event ID.
//
// Durability: a publisher has its answer when the event is as durable as the log makes it. With an idempotency key a request
// can be repeated, and is stored once.
//
// Slowness: a subscriber holds up nobody. One that takes nothing for [Options.WriteTimeout] is cut off, and finds everything
// again when it comes back.
//
// # What is around it
//
// On Linux the hub takes the connections of streams over HTTP/1.1, and ServeHTTP returns when a stream begins. Middleware that counts
// time or bytes sees a short answer without a status; [Options.OnStream] tells when a stream is over.
//
// Each stream of HTTP/2 keeps the stack of its handler for as long as it lasts, that of middleware included. A process whose main work is
// a hub can use [TuneProcess] and [PaceAccept], as tidings serve does; a hub needs neither.
//
// # The path of an event
//
//	POST ─▶ authorize ─▶ publish, ingest ─▶ log ─▶ fan-out ─▶ sockets
//	GET  ─▶ authorize ─▶ subscribe ─▶ stream ─▶ attach ─▶ fan-out
//
// Fan-out, the path from the log to the sockets, is package hub/internal/fanout. This package is the HTTP around it.
//
// # Dialects
//
// What requests and answers look like is a [Dialect]. The native one is always there: its routes are /events and /api/v1/topics. Others
// can be added with [Options.Dialects], on the same log.
package hub

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Options are those of [New]. Nil and the zero value mean the defaults.
type Options struct {
	// Authorize says what the sender of a request may do; it is called once for each. An error is answered with 401, or with
	// what a [*Problem] says. One with RetryAfter lets browsers come back, for instance when the accounts cannot be asked; of any
	// other refusal EventSource gives up. Nil means that everybody may do everything.
	Authorize func(*http.Request) (access.Grant, error)

	// AllowOrigins are the origins, such as https://example.com, whose pages may use the hub, besides its own. "*" allows all,
	// without their cookies.
	AllowOrigins []string

	// Local restricts the hub to requests from this machine: asked as localhost, 127.0.0.1 or [::1], without a field that proxies add, and
	// in HTTP/1.1 or later. It is for hubs that let everybody do everything: without it a page that somebody visits could have a name that
	// leads here. It cannot see a proxy that adds nothing: a hub that others can reach needs an Authorize.
	Local bool

	// AdminElsewhere keeps what is for administrators out of ServeHTTP, for hubs that serve [Hub.Admin] on a listener of its own.
	// AdminLocal is Local for that listener.
	AdminElsewhere bool
	AdminLocal     bool

	// TrustedProxies are the networks of proxies who are believed when they say for whom they ask, in X-Forwarded-For or Forwarded.
	// With any, who asks through a Unix socket is one, too.
	TrustedProxies []netip.Prefix

	// Metrics makes the handler of /metrics when the hub opens: see package hub/metrics. Nil: /metrics is not there
	Metrics func(*Hub) http.Handler

	// Revocations are what was taken back; the hub adds what it is told by /api/v1/revoke, and by its log when it begins. An
	// [access.Policy] that has them, too, says of each refusal why. Nil: a set of the hub's own, for grants that are issued by the clock of
	// this machine
	Revocations *access.Revocations

	// MaxConnections is how many streams may be open, of those who follow and of those who publish; MaxPerAddress and
	// MaxPerToken, how many by one address, a /64 network of IPv6, and by one subject, or one token if it has none. Who comes when
	// there is no room is refused, and nobody has to go for it. 0: no bound
	MaxConnections int
	MaxPerAddress  int
	MaxPerToken    int

	// PublishPerAddress and PublishPerToken are how fast one of them may publish. The zero Rate: no bound
	PublishPerAddress Rate
	PublishPerToken   Rate

	// MaxBodyMemory is the most memory, in bytes, that all bodies together may take while they are published: what has come of them and is not
	// stored yet, and their decoders. The first 16 KiB of each body are not counted. One address, or one token, may take half of it. A body over
	// a limit is refused with 503 or 429. 0: 128 MiB; otherwise at least 6 times MaxEvent
	MaxBodyMemory int64

	// BodyTimeout is how long a body may take that is one event. 0: 1 minute
	BodyTimeout time.Duration

	// MaxEvent is the size of the largest event that is taken, in bytes of its data. 0: 1 MiB; at most 16 MiB
	MaxEvent int

	// MaxTopics is how many topics and patterns one subscription may have. The form of a QUERY may have 4 KiB for each of them, and at
	// least 4 MiB. 0: 1,000
	MaxTopics int

	// IgnoreParams are parameters that are ignored wherever they come: those that libraries and proxies add. The hub ignores _, _t
	// and _ts always, and refuses other parameters that it does not know. One that has a meaning for the hub cannot be ignored.
	IgnoreParams []string

	// Window is how much of the newest events is kept in memory, in bytes, shared by all subscribers. Those who are farther
	// behind read the log. 0: 64 MiB
	Window int64

	// Heartbeat is the longest silence on a connection: then it gets a comment, or a checkpoint if the log has moved on. 0: 25 s
	Heartbeat time.Duration

	// HeartbeatMin is the shortest interval of heartbeats that a subscriber may ask for, with the parameter heartbeat. 0: 5 s
	HeartbeatMin time.Duration

	// MaxAge is the longest life of a stream: it ends after 80 to 100 % of it, with a checkpoint and a time to come back at, and its client
	// goes on from there. Proxies keep connections to the hub whose browsers have gone; those end with it. 0: no bound
	MaxAge time.Duration

	// WriteTimeout is how long a subscriber may take nothing of what it is sent. 0: 10 s
	WriteTimeout time.Duration

	// MaxLag and MaxLagTime bound how far a subscriber that was live may fall behind: in bytes of all events that have come since,
	// and in time. 0: no bound; it goes on from the log. One beyond is disconnected, and finds everything again when it comes back;
	// or with SkipSlow it is moved on to the newest event, and told of the gap (reason lag).
	MaxLag     int64
	MaxLagTime time.Duration
	SkipSlow   bool

	// OnStream is called when a stream begins, and what it returns, unless that is nil, when the stream has ended, from a goroutine of
	// its own. On Linux that is long after ServeHTTP has returned, since the hub takes connections over. What the function keeps is
	// kept for each stream: some kilobytes, if it is the request.
	OnStream func(*http.Request) func(StreamEnd)

	// Dialects are interfaces over HTTP besides the native one. No two may have the same path.
	Dialects []Dialect

	Logger *slog.Logger // what goes wrong where nobody hears of it; nil: slog.Default
}

// StreamEnd is what became of a stream.
type StreamEnd struct {
	Bytes  int64  // that went out after the header
	Reason string // gone, complete, drained, slow, expired, revoked, failed, closed or aged
}

// Check returns what is wrong with the options, as New would. Nil options are good.
func (o *Options) Check() error {
	_, err := o.withDefaults()
	return err
}

// longestTime is the longest time that an option may say. Sums of times and dates stay in their range.
const longestTime = 10 * 365 * 24 * time.Hour

// checkNumbers returns an error if a size is out of its bounds, or a time.
func (o *Options) checkNumbers() error {
	for _, n := range []struct {
		name        string
		value, most int64
	}{
		{"MaxEvent", int64(o.MaxEvent), eventlog.MaxData},
		{"MaxTopics", int64(o.MaxTopics), math.MaxInt32},
		{"MaxConnections", int64(o.MaxConnections), math.MaxInt64},
		{"MaxPerAddress", int64(o.MaxPerAddress), math.MaxInt64},
		{"MaxPerToken", int64(o.MaxPerToken), math.MaxInt64},
		{"MaxBodyMemory", o.MaxBodyMemory, math.MaxInt64},
		{"Window", o.Window, math.MaxInt64},
		{"MaxLag", o.MaxLag, math.MaxInt64},
	} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("hub: %s is %d; it is 0 to %d", n.name, n.value, n.most)
		}
	}
	for _, t := range []struct {
		name  string
		value time.Duration
	}{
		{"BodyTimeout", o.BodyTimeout},
		{"Heartbeat", o.Heartbeat},
		{"HeartbeatMin", o.HeartbeatMin},
		{"MaxAge", o.MaxAge},
		{"WriteTimeout", o.WriteTimeout},
		{"MaxLagTime", o.MaxLagTime},
	} {
		if t.value < 0 || t.value > longestTime {
			return fmt.Errorf("hub: %s is %v; it is 0 to %v", t.name, t.value, longestTime)
		}
	}
	return nil
}

func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	if err := d.checkNumbers(); err != nil {
		return d, err
	}
	if err := d.checkLimits(); err != nil {
		return d, err
	}
	if _, err := ignoredParams(d.IgnoreParams); err != nil {
		return d, err
	}
	for _, origin := range d.AllowOrigins {
		if err := CheckOrigin(origin); err != nil {
			return d, fmt.Errorf("hub: AllowOrigins: %w", err)
		}
	}
	if err := checkRoutes(d.Dialects); err != nil {
		return d, err
	}
	d.BodyTimeout = orElse(d.BodyTimeout, time.Minute)
	if d.Revocations == nil {
		d.Revocations = access.NewRevocations(0, -1)
	}
	d.MaxEvent = orElse(d.MaxEvent, defaultMaxEvent)
	d.MaxBodyMemory = orElse(d.MaxBodyMemory, defaultBodyMemory)
	d.MaxTopics = orElse(d.MaxTopics, 1000)
	d.Window = orElse(d.Window, 64<<20)
	d.Heartbeat = orElse(d.Heartbeat, 25*time.Second)
	d.HeartbeatMin = orElse(d.HeartbeatMin, 5*time.Second)
	d.WriteTimeout = orElse(d.WriteTimeout, 10*time.Second)
	if d.Authorize == nil {
		everything := access.Everything()
		d.Authorize = func(*http.Request) (access.Grant, error) { return everything, nil }
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d, nil
}

const defaultMaxEvent = 1 << 20

func orElse[T int | int64 | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

// Hub serves a log. It is an [http.Handler], and safe for concurrent use.
type Hub struct {
	log         eventlog.Log
	fanout      *fanout.Fanout
	opts        Options
	routes      []served
	ignored     map[string]bool // parameters
	limits      *limits
	bodies      *bodyMemory
	appending   sharedTimeout
	revocations *revocations
	count       counters
	stored      signal // events, for subscriptions in this process
	metrics     http.Handler
	refused     origins
	takenOver   atomic.Int64 // connections
	opened      atomic.Bool  // Open has returned; before that the hub has no log, and most fields are zero

	ctx        context.Context // of goroutines in background
	cancel     context.CancelFunc
	background sync.WaitGroup

	closing chan struct{}  // closed by Shutdown, if it comes before Open
	stop    sync.Once      // closes closing
	ending  sync.WaitGroup // calls of what OnStream returned
}

// New returns a hub that serves a log. The caller keeps the log, and closes it after Shutdown. Nothing else may receive from its Watch
// channel.
func New(log eventlog.Log, o *Options) (*Hub, error) {
	h, err := Prepare(o)
	if err != nil {
		return nil, err
	}
	if err := h.Open(context.Background(), log); err != nil {
		return nil, err
	}
	return h, nil
}

// Streams returns how many streams are open.
func (h *Hub) Streams() int {
	if !h.opened.Load() {
		return 0
	}
	return h.fanout.Streams()
}

// TakenOver returns how many connections the hub has taken over from net/http and not closed yet: those of streams over HTTP/1.1 on Linux.
// A server does not count them (see [http.Server.ConnState]).
func (h *Hub) TakenOver() int { return int(h.takenOver.Load()) }

// Shutdown ends the hub: new streams are told to come back later; open streams get the events that are stored and a time to reconnect at,
// and are closed in waves. Shutdown returns when all are closed, or when ctx ends, with its error; streams that are left are cut then.
//
// Publishing goes on until the caller closes the server. The log stays open.
func (h *Hub) Shutdown(ctx context.Context) error {
	if !h.opened.Load() { // there are no streams
		h.stop.Do(func() { close(h.closing) })
		h.cancel()
		return nil
	}
	err := h.fanout.Shutdown(ctx)
	h.cancel()
	h.background.Wait()
	if err == nil {
		err = h.awaitEnding(ctx)
	}
	return err
}

// awaitEnding waits until the functions that OnStream returned have returned.
func (h *Hub) awaitEnding(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		h.ending.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// draining returns a channel that is closed when the hub begins to end streams.
func (h *Hub) draining() <-chan struct{} {
	if h.opened.Load() {
		return h.fanout.Draining()
	}
	return h.closing
}
