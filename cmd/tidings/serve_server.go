package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/plain"
)

// hubServer serves a hub.
type hubServer struct {
	hub     *hub.Hub
	handler http.Handler // the hub, or a handler around it
	logger  *slog.Logger
	grace   time.Duration // how long a stop takes at most, from the end of the drain delay to the last connection

	open func(context.Context) error // opens the hub, which already serves; nil means that it is open

	handOver      func(context.Context) // hands what other hubs need from this one to them; bounded in time; nil: nothing
	drainDelay    time.Duration         // see drainFlags; a restart has none
	h2c           bool                  // accept HTTP/2 without TLS
	headerTimeout time.Duration         // for the header of a request to arrive; 0 means defaultHeaderTimeout

	beside []func(context.Context) // stop the servers beside this one, before their contexts end

	restarts <-chan os.Signal                 // asks for a restart; nil: never
	replace  func(context.Context) *successor // starts the process that takes the place of this one; nil if that fails
	next     *successor                       // that process
	stays    bool                             // another process holds the sockets
	leaving  func(followed bool)              // is called when streams begin to end, and says whether such a process follows; nil: nothing to do
}

// drainTime is the grace of tidings serve. It is a variable so that a test can shorten it.
var drainTime = 10 * time.Second

// forRequests is the share of the grace that streams leave to requests: a fifth. So a publisher gets its answer although a subscriber has stalled.
const forRequests = 5

const (
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = time.Minute
)

// serve serves until ctx is cancelled, a listener fails, the hub cannot be opened, or a new process is ready to take the place of this one.
//
// The order of the end: the hub hands over what other hubs need from it; then every stream gets its remaining events and ends, while everything
// else is served; then no new connections, and a new process takes them; then open requests are answered; then the connections that are left are
// closed. From the first stream to the last connection this takes at most the grace.
func (s *hubServer) serve(ctx context.Context, listeners ...net.Listener) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: cmp.Or(s.headerTimeout, defaultHeaderTimeout), IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,                                               // a token, cookies, and some thousand topics in a URL
		ErrorLog:       slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug), // errors that clients cause on single connections
		Protocols:      new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(s.h2c)
	places := boundPublic(server, s.hub.HTTP2(server), s.hub.TakenOver, s.logger)
	var running sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		running.Go(func() { failed <- server.Serve(places.listener(hub.PaceAccept(l))) })
	}
	started, err := s.await(ctx, failed)
	if started && err == nil {
		err = s.lameDuck(ctx, failed)
	}
	began, streams := time.Now(), s.hub.Streams()
	if started || err == nil { // otherwise the returned error says why the hub did not start
		s.logger.Info("stopping", "reason", s.whyStopped(ctx, err), "streams", streams)
	}
	if s.leaving != nil {
		s.leaving(s.next != nil)
	}
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), s.grace) // ctx has ended
	defer done()
	moved := time.After(s.lingers())
	drained := s.endStreams(stop)
	<-moved
	s.hub.EndBodies()
	closeAll(listeners)
	running.Wait()
	if s.next != nil {
		s.next.tell(sayTake)
	}
	var beside sync.WaitGroup
	for _, end := range s.beside {
		beside.Go(func() { end(stop) })
	}
	cut := errors.Join(places.shutDown(stop), drained) != nil
	beside.Wait()
	if started || err == nil {
		s.logger.Info("stopped", "streams", streams, "cut", cut, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// moving is how long clients over HTTP/1.1 that send one request after the other have to leave their connections, which the gate asks them to.
// Otherwise the server would close a connection while its client sends a request.
const moving = 250 * time.Millisecond

// lingers returns how long the hub accepts connections while it leaves, at least.
func (s *hubServer) lingers() time.Duration {
	if s.next == nil && !s.stays {
		return 0 // new connections would be refused soon
	}
	return moving
}

// endStreams ends the streams, and leaves requests their share of the grace. It returns an error if it had to cut streams.
func (s *hubServer) endStreams(stop context.Context) error {
	ctx, done := context.WithTimeout(stop, s.grace-s.grace/forRequests)
	defer done()
	return s.hub.Shutdown(ctx)
}

// whyStopped says why a hub stops: because of an error, for a new process, or because its context ended, for example by a signal.
func (s *hubServer) whyStopped(ctx context.Context, err error) string {
	switch {
	case err != nil:
		return plain.Text(err.Error())
	case ctx.Err() == nil:
		return "restart"
	}
	return plain.Text(context.Cause(ctx).Error())
}

// await opens the hub and waits until it has to stop, or until a process is ready to take its place. It returns whether the hub was open, and the error that stops it. The opener has
// ended when await returns.
func (s *hubServer) await(ctx context.Context, failed <-chan error) (started bool, err error) {
	opening, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := make(chan error, 1)
	if s.open != nil {
		go func() { opened <- s.open(opening) }()
		select {
		case err = <-opened:
		case err = <-failed:
			cancel()
			<-opened //nolint:errcheck // err is the cause
		}
		if err != nil {
			return false, stopped(ctx, err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case err = <-failed:
			return true, err
		case <-s.restarts:
			if s.next = s.replace(ctx); s.next != nil {
				return true, nil
			}
		}
	}
}
