package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/metrics"
	"github.com/tidings-sse/tidings/internal/plain"
)

// serveCmd is the command line of tidings serve.
type serveCmd struct {
	serveFlags `embed:""`
}

// Help is shown below the command's usage.
func (*serveCmd) Help() string {
	return `Open http://localhost:3000: the page there subscribes and publishes. Or use two terminals:

    curl -N localhost:3000/events/news
    curl -d hello localhost:3000/events/news

A page of your own subscribes with new EventSource('http://localhost:3000/events/news').

--keep sets the retention of topics by pattern: * stands for one segment, ** at the end for any number.

    --keep 'chat/**=age:24h'             one day
    --keep 'chat/**=age:7d,count:1000'   one week, and at most 1,000 events of
                                         each topic
    --keep 'prices/*=latest:1'           the newest event of each topic; older
                                         ones are superseded, not missing

Events of topics that no rule matches are kept for 7 days.

Every flag is also a setting of the file (--config hub.yaml) and an environment variable: addr: :8080 in the file, TIDINGS_ADDR=:8080
in the environment. A flag that can be repeated is a list in the file; in the environment, spaces separate its values. tidings config
shows the settings in effect.

Ctrl-C stops the hub: each stream gets the events that are stored, and ends. When the hub is up again, clients reconnect and miss nothing.`
}

// Run serves a hub until ctx is cancelled.
func (c *serveCmd) Run(ctx context.Context, std stdio, env environ) error {
	return c.run(ctx, std, env, c.open)
}

// run checks the settings and reads the keys before it listens, and listens before it opens the log, so that health checks get an answer
// while the log is being opened.
func (c *serveCmd) run(ctx context.Context, std stdio, env environ, open logOpener) error {
	if err := c.check(env); err != nil {
		return &exitError{exitUsage, err}
	}
	go hub.TuneProcess(ctx)
	logger := c.logger(std.err)
	c.warnInsecure(logger, c.keyed(env))
	tokens, err := c.tokens(env, logger)
	if err != nil {
		return err
	}
	defer tokens.close()
	tokens.fetch(ctx)
	hangups := !isTerminal(std.err)
	secure, err := c.secure(logger, hangups)
	if err != nil {
		return err
	}
	defer secure.close()
	if hangups {
		defer c.logHangups(logger)()
	}
	traces, err := startTraces(ctx, env, logger)
	if err != nil {
		return err
	}
	defer traces.stop(ctx, logger)
	place, err := c.listen(c.Addr, secure.config())
	if err != nil {
		return err
	}
	secure.name(place, !c.keyed(env) && !c.Insecure)
	admin, err := c.listenAdmin()
	if err != nil {
		place.close()
		return err
	}
	stopRedirects, err := c.startACME(secure.acme, place, logger)
	if err != nil {
		place.close()
		admin.close()
		return err
	}
	defer stopRedirects()
	o := &hub.Options{
		Authorize: tokens.authorizer(), AllowOrigins: c.Origin, Logger: logger, OnStream: logStream, Metrics: metrics.Handler, Certificates: secure.report(),
		Explain: tokens.explainer(), Revocations: tokens.revocations(), Local: !c.keyed(env) && !c.Insecure,
		AdminElsewhere: c.AdminAddr != "", AdminLocal: local(c.AdminAddr), AdminPages: c.Console,
	}
	shared, err := c.share(ctx, place, logger, hangups)
	if err != nil {
		place.close()
		admin.close()
		return err
	}
	var opening sync.WaitGroup // of a shared log
	leave := func() {}
	if shared != nil {
		var fail context.CancelCauseFunc
		ctx, fail = context.WithCancelCause(ctx)
		defer fail(nil)
		leave = func() {
			fail(nil)
			opening.Wait() // a log of a cluster stops opening with ctx, and closes what it has opened
		}
		go shared.watch(ctx, fail)
		o.Cluster = &shared.member
		open = func(logger *slog.Logger) (eventlog.Log, string, error) {
			defer opening.Done()
			return shared.open(ctx, logger)
		}
	}
	c.limit(o)
	o.MaxConnections, o.MaxHTTP1Streams = boundStreams(o.MaxConnections)
	h, err := hub.Prepare(o)
	if err != nil {
		place.close()
		admin.close()
		return err
	}
	requests := c.requestLog(h, logger)
	if !c.requests(std.err) {
		requests.logger = nil
	}
	front := &front{requests, cmp.Or(c.BodyTimeout, defaultBodyTimeout), assets{hubPage, c.Console && c.AdminAddr == ""}, h}
	if c.keyed(env) {
		front.page = hubPage.withKeys()
	}
	stopAdmin := admin.serve(adminFrontOf(h, c.Console), logger)
	defer stopAdmin()
	var opened openedLog
	server := &hubServer{hub: h, handler: traces.handler(front), logger: logger, grace: drainTime, drainDelay: c.DrainDelay, h2c: c.H2C, headerTimeout: c.HeaderTimeout}
	if shared != nil {
		server.handOver = shared.handOver
	}
	server.open = func(ctx context.Context) error {
		if shared != nil {
			opening.Add(1)
		}
		if opened = open.await(ctx, logger); opened.err != nil {
			return opened.err
		}
		if err := h.Open(ctx, opened.log); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(std.out, "tidings serve listens on %s, with its events in %s; %s\n", place, opened.where, c.hint(place, env))
		if c.AdminAddr != "" {
			_, _ = fmt.Fprintf(std.out, "tidings serve listens for administrators on %s, without tokens; try: tidings stats %s\n", admin, admin)
		}
		return nil
	}
	err = server.serve(ctx, place.listeners...)
	leave()
	if opened.err == nil && opened.log != nil {
		began := time.Now()
		closing := opened.log.Close()
		if closing == nil {
			logger.Info("the log is closed", "events", opened.where, "took", time.Since(began).Round(time.Millisecond))
		}
		err = errors.Join(err, closing)
	}
	return errors.Join(err, shared.failure())
}

// hint suggests the next command.
func (c *serveCmd) hint(p *place, env environ) string {
	const mint, grants = "for a token: tidings token mint", " --publish news --subscribe news"
	switch {
	case !c.keyed(env):
		return p.browse() + "try: " + p.curl("-N", "/events/news") + " & " + p.curl("-d hello", "/events/news")
	case len(c.KeyFile) > 0:
		return mint + " --key-file " + c.KeyFile[0] + grants
	case env.lookup(c.KeyEnv) != "":
		return mint + grants
	}
	return "try: " + p.curl("-N -H 'Authorization: Bearer TOKEN'", "/events/news")
}

// hubServer serves a hub.
type hubServer struct {
	hub     *hub.Hub
	handler http.Handler // the hub, or a handler around it
	logger  *slog.Logger
	grace   time.Duration // how long the shutdown waits for open streams and requests

	open func(context.Context) error // opens the hub, which already serves; nil means that it is open

	handOver      func(context.Context) // hands what other hubs need from this one to them; bounded in time; nil: nothing
	drainDelay    time.Duration         // see drainFlags
	h2c           bool                  // accept HTTP/2 without TLS
	headerTimeout time.Duration         // for the header of a request to arrive; 0 means defaultHeaderTimeout
}

// drainTime is the grace of tidings serve. It is a variable so that a test can shorten it.
var drainTime = 10 * time.Second

const (
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = time.Minute
)

// serve serves until ctx is cancelled, a listener fails, or the hub cannot be opened.
//
// The order of the shutdown: the hub hands over what other hubs need from it; then no new connections; then every stream gets its remaining
// events and ends, and open publish requests are answered; then the connections that are left are closed.
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
	s.hub.HTTP2(server)
	places := boundPublic(server, s.hub.TakenOver, s.logger)
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
		s.logger.Info("stopping", "reason", whyStopped(ctx, err), "streams", streams)
	}
	// The shutdown has its own deadline, because ctx has ended.
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer done()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(grace) }()
	drained := s.hub.Shutdown(grace)
	cut := errors.Join(<-stopped, drained) != nil
	if cut {
		_ = server.Close() // closes connections; the process ends in any case
	}
	running.Wait()
	if started || err == nil {
		s.logger.Info("stopped", "streams", streams, "cut", cut, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// whyStopped says why a hub stops: because of an error, or because its context ended, for example by a signal.
func whyStopped(ctx context.Context, err error) string {
	if err != nil {
		return plain.Text(err.Error())
	}
	return plain.Text(context.Cause(ctx).Error())
}

// await opens the hub and waits until it has to stop. It returns whether the hub was open, and the error that stops it. The opener has
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
	select {
	case <-ctx.Done():
		return true, nil
	case err = <-failed:
		return true, err
	}
}
