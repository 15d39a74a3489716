// Package hub serves an event log over HTTP: programs publish with POST, and browsers subscribe with EventSource.
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
// # Promises
//
// Order: every subscriber sees the order of the log.
//
// Delivery: each subscriber gets every retained event that matches, in order, across reconnections and restarts. If events are missing, a
// gap says so. A client that keeps its last event ID gets each event exactly once.
//
// Durability: the hub answers a publisher when the log has made the event durable. A request with an idempotency key can be repeated; the
// hub stores its event once.
//
// Slow consumers: a subscriber never delays another one. A subscriber that accepts no bytes for [Options.WriteTimeout] is disconnected, and
// gets what it missed when it reconnects.
//
// # Middleware
//
// On Linux the hub takes over the connections of streams in HTTP/1.1, and ServeHTTP returns when a stream begins. Middleware that measures
// time or bytes sees a short answer without a status. [Options.OnStream] reports the end of a stream.
//
// A stream in HTTP/2 keeps the stack of its handler, including that of middleware, until it ends. With [Hub.HTTP2] it does not: ServeHTTP returns
// as in HTTP/1.1, and middleware sees the status 200 and no bytes. Middleware that wraps the http.ResponseWriter needs a method Unwrap for that, as
// for [http.ResponseController]. A process whose main work is a hub can also use [TuneProcess] and [PaceAccept], as tidings serve does.
//
// # The path of an event
//
//	POST ─▶ routes ─▶ native ─▶ authorize ─▶ receive, body ─▶ append ─▶ log ─▶ fan-out ─▶ sockets
//	GET  ─▶ routes ─▶ native ─▶ authorize ─▶ stream ─▶ attach ─▶ fan-out
//
// Package hub/internal/fanout holds the path from the log to the sockets. This package holds the HTTP around it.
//
// # Dialects
//
// A [Dialect] defines the paths, the requests and the answers of one interface. The native dialect is always there: its routes are /events
// and /api/v1/topics. [Options.Dialects] adds others on the same log. The files of the native dialect, native*.go, use only what this package
// exports.
//
// # Clusters
//
// Several hubs can serve the same events if their logs follow one shared log ([eventlog.Shared]). A client may resume at any of them:
// positions are the same on every hub. A hub that is behind a client's position waits for its log. A hub without contact to the shared log
// ends its streams, so that clients find another hub. With [Options.Cluster] hubs also exchange revocations, and answer administrators for
// all of them.
package hub

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/hub/internal/presence"
)

// Hub serves a log. It is an [http.Handler], and safe for concurrent use.
type Hub struct {
	log         eventlog.Log
	fanout      *fanout.Fanout
	opts        Options
	keyless     bool // Options.Authorize was nil: every request is allowed
	routes      []served
	limits      *limits
	bodies      *bodyMemory
	appending   sharedTimeout
	revocations *revocations
	presence    *presence.Table
	cluster     *cluster // nil: the log is the hub's own
	lameDuck    atomic.Bool
	count       counters
	stored      signal // wakes subscriptions in this process after new events
	metrics     http.Handler
	refused     origins
	takenOver   atomic.Int64 // connections
	opened      atomic.Bool  // Open has returned; before that the hub has no log, and most fields are zero

	ctx        context.Context // for the goroutines in background
	cancel     context.CancelFunc
	background sync.WaitGroup

	closing chan struct{}  // closed by Shutdown if Open has not been called
	stop    sync.Once      // closes closing
	ending  sync.WaitGroup // running functions that OnStream returned

	bodiesEnd context.Context // done after EndBodies
	endBodies context.CancelFunc
}

// New returns a hub that serves a log. The caller keeps the log and closes it after Shutdown. Nothing else may receive from the log's
// Watch channel.
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

// Options returns the options of the hub, with their defaults, for dialects. The caller must not change their slices.
func (h *Hub) Options() Options { return h.opts }

// Log returns the log that the hub serves, nil before [Hub.Open], for dialects that look up more than a stream gives.
func (h *Hub) Log() eventlog.Log { return h.log }

// Streams returns the number of open streams.
func (h *Hub) Streams() int {
	if !h.opened.Load() {
		return 0
	}
	return h.fanout.Streams()
}

// TakenOver returns how many connections the hub has taken over from net/http and not closed yet: those of streams over HTTP/1.1 on Linux.
// A server does not count them (see [http.Server.ConnState]).
func (h *Hub) TakenOver() int { return int(h.takenOver.Load()) }

// Shutdown drains the hub. New streams are refused with a time to retry at. Open streams get the stored events and a reconnection time, and
// are closed in waves. Shutdown returns when all streams are closed. If ctx ends first, it disconnects the remaining streams and returns the
// error of ctx.
//
// Publishers are served until the caller closes the server: see [Hub.EndBodies]. The log stays open.
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

// EndBodies ends the requests whose bodies are streams of events, which may last for days. Each is refused with a time to retry at, and with the
// number of its events that are stored. Call it before [http.Server.Shutdown], which waits for all requests.
func (h *Hub) EndBodies() { h.endBodies() }

// EnterLameDuck makes /readyz answer 503 from now on, so that load balancers send no new clients. The hub serves everything as before. Call
// it some seconds before Shutdown, so that load balancers notice first.
func (h *Hub) EnterLameDuck() { h.lameDuck.Store(true) }

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
