package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/metrics"
)

// service is what a process of tidings serve has besides its hub. If a restart fails after the log was closed, a second hub uses it.
type service struct {
	*serveCmd
	std           stdio
	env           environ
	logger        *slog.Logger
	hangups       bool
	tokens        *tokens
	security      security
	traces        *traces
	public, admin *place
	plain         *place // for the CA of --acme-domain, and for redirects
	openLog       logOpener
	super         *supervisor
	restarts      <-chan os.Signal
	before        *predecessor  // nil: none, or it has given its place
	data          *dataPlace    // of the log that is open; nil: in memory, or none yet
	failed        error         // why the last restart failed, until the hub serves again
	served        chan struct{} // closed when a hub of this process serves for the first time
	first         sync.Once     // closes served
}

// places returns where the process listens. A process that takes its place gets their sockets.
func (s *service) places() []*place { return []*place{s.public, s.admin, s.plain} }

// run serves until ctx is cancelled, or until another process takes the place of this one.
func (s *service) run(ctx context.Context) error {
	go func() {
		select {
		case <-s.served:
			s.super.beat(ctx)
		case <-ctx.Done():
		}
	}()
	for {
		next, err := s.serve(ctx)
		if next == nil && err != nil && s.failed != nil {
			err = fmt.Errorf("the restart failed (%w), and this process cannot serve on: %w", s.failed, err)
		}
		if next == nil {
			return err
		}
		if err != nil {
			s.logger.Error("closing the log for the new process", "err", err)
		}
		if over, err := s.giveWay(ctx, next); over || err != nil {
			return err
		}
	}
}

// serve runs one hub. If the hub gives its place to a new process, serve returns that process, and the log is closed.
func (s *service) serve(ctx context.Context) (*successor, error) {
	o := &hub.Options{
		Authorize: s.tokens.authorizer(), AllowOrigins: s.Origin, Logger: s.logger, OnStream: logStream, Metrics: metrics.Handler, Certificates: s.security.report(),
		Explain: s.tokens.explainer(), Revocations: s.tokens.revocations(), Local: !s.keyed(s.env) && !s.Insecure,
		AdminElsewhere: s.AdminAddr != "", AdminLocal: local(s.AdminAddr), AdminPages: s.Console,
	}
	shared, err := s.share(ctx, s.public, s.tokens, s.logger, s.hangups)
	if err != nil {
		return nil, err
	}
	open, process := s.openLog, ctx // the context of a hub in a cluster ends with its log
	var opening sync.WaitGroup      // of a shared log
	leave := func() {}
	var fail context.CancelCauseFunc // ends a hub in a cluster
	if shared != nil {
		ctx, fail = context.WithCancelCause(ctx)
		defer fail(nil)
		leave = func() {
			fail(nil)
			opening.Wait() // a log of a cluster stops opening with ctx, and closes what it has opened
		}
		o.Cluster = &shared.member
		open = func(logger *slog.Logger) (eventlog.Log, string, error) {
			defer opening.Done()
			return shared.open(ctx, logger)
		}
	}
	s.limit(o)
	o.MaxConnections, o.MaxHTTP1Streams = boundStreams(o.MaxConnections)
	h, err := hub.Prepare(o)
	if err != nil {
		return nil, err
	}
	if s.before != nil {
		if err := s.probe(s.before.pid); err != nil {
			return nil, err
		}
		if shared != nil {
			if err := shared.reach(ctx); err != nil {
				return nil, stopped(ctx, err)
			}
		}
	}
	if err := s.before.yield(ctx); err != nil {
		return nil, stopped(ctx, err)
	}
	gate, opened := s.gate(ctx)
	defer opened()
	requests := s.requestLog(h, s.logger)
	if !s.requests(s.std.err) {
		requests.logger = nil
	}
	front := &front{gate, requests, cmp.Or(s.BodyTimeout, defaultBodyTimeout), assets{hubPage, s.Console && s.AdminAddr == ""}, h}
	if s.keyed(s.env) {
		front.page = hubPage.withKeys()
	}
	var log openedLog
	server := &hubServer{
		hub: h, handler: s.traces.handler(front), logger: s.logger, grace: drainTime, drainDelay: s.DrainDelay, h2c: s.H2C, headerTimeout: s.HeaderTimeout,
		beside:  []func(context.Context){s.admin.serve(adminFrontOf(h, s.Console), s.logger), s.plain.serve(s.security.acme.HTTPHandler(), s.logger)},
		leaving: func(followed bool) { gate.leave(followed && !s.clustered()) }, stays: s.public.systemd, restarts: s.restarts,
		replace: func(ctx context.Context) *successor {
			next := s.replace(ctx)
			if next != nil {
				next.stopWith(process)
			}
			return next
		},
	}
	if shared != nil {
		server.handOver = shared.handOver
		go shared.watch(ctx, fail, h.GiveUpAppends)
	}
	server.open = func(ctx context.Context) error {
		if err := s.before.await(ctx, sayOpen); err != nil {
			return err
		}
		if shared != nil {
			opening.Add(1)
		}
		if log = open.await(ctx, s.logger, gate.meanwhile); log.err != nil {
			return log.err
		}
		if !s.Memory {
			place, _ := s.dataPlace() // a directory that has gone again equals none, so that a restart is refused
			s.data = &place
		}
		testOnlyOpened()
		if err := h.Open(ctx, log.log); err != nil {
			return err
		}
		opened()
		s.ready(log.where)
		return nil
	}
	err = server.serve(ctx, s.public.listeners...)
	leave()
	if log.err == nil && log.log != nil {
		began := time.Now()
		closing := log.log.Close()
		if closing == nil {
			s.logger.Info("the log is closed", "events", log.where, "took", time.Since(began).Round(time.Millisecond))
		}
		err = errors.Join(err, closing)
	}
	return server.next, errors.Join(err, shared.failure())
}

// testOnlyOpened is called when the log is open, so that a test can make the process fail then.
var testOnlyOpened = func() {}

// gate returns the gate of a hub. It holds requests if clients have not noticed that the process before has ended. The hub is open, or does not
// open, when the returned function is called.
func (s *service) gate(ctx context.Context) (*gate, context.CancelFunc) {
	holding, opened := context.WithTimeout(ctx, holdTime)
	if s.before == nil && s.failed == nil && !s.public.systemd {
		opened()
	}
	g := &gate{held: make(chan struct{}, mostHeld), opened: holding}
	g.ready.Store((s.before != nil || s.failed != nil) && !s.clustered())
	context.AfterFunc(holding, func() { g.ready.Store(false) })
	return g, opened
}

// ready tells everyone that the hub serves.
func (s *service) ready(where string) {
	_, _ = fmt.Fprintf(s.std.out, "tidings serve listens on %s, with its events in %s; %s\n", s.public, where, s.hint(s.public, s.env))
	if s.AdminAddr != "" {
		_, _ = fmt.Fprintf(s.std.out, "tidings serve listens for administrators on %s, without tokens; try: tidings stats %s\n", s.admin, s.admin)
	}
	for _, p := range s.places() {
		p.own()
	}
	switch {
	case s.before != nil:
		if s.before.left {
			s.super.tell("MAINPID="+strconv.Itoa(os.Getpid()), "READY=1", "STATUS=")
		}
		s.before.tell(sayReady)
		s.before.close()
		s.before = nil
	case s.failed != nil:
		s.goOn(s.failed)
		s.failed = nil
	default:
		s.super.tell("READY=1")
	}
	s.first.Do(func() { close(s.served) })
}

// replace starts a process that takes the place of this one. It returns nil if there is none.
func (s *service) replace(ctx context.Context) *successor {
	if err := s.replaceable(); err != nil {
		s.logger.Error("SIGUSR2: the hub does not restart", "err", err)
		return nil
	}
	s.logger.Info("SIGUSR2: the hub starts a process that takes its place", "program", s.self.path)
	s.super.tell(reloading()...)
	next, err := s.self.succeed(ctx, s.std, s.env, s.logger, s.data, s.places()...)
	if err != nil && ctx.Err() == nil {
		s.goOn(err)
		return nil
	} else if err != nil {
		return nil
	}
	for _, p := range s.places() {
		p.leave()
	}
	return next
}

// goOn says that a restart has failed.
func (s *service) goOn(err error) {
	s.logger.Error("the restart failed, and this process serves on", "err", err)
	s.super.tell("READY=1", "STATUS=The restart failed, and process "+strconv.Itoa(os.Getpid())+" serves on: "+err.Error())
}

// replaceable returns an error if no process can take the place of this one.
func (s *service) replaceable() error {
	switch {
	case s.Memory:
		return errors.New("its events are in memory, and a new process would not have them; use --data, or stop it and start it again")
	case os.Getpid() == 1:
		return errors.New("it is the first process of its container, which would end with it; replace the container")
	case s.self.path == "":
		return errors.New("it does not know how it was started")
	}
	return nil
}

// giveWay lets a new process open the log. over is true if that process serves now, or if this one was asked to stop. Otherwise the new process has
// ended, and this one can serve again.
func (s *service) giveWay(ctx context.Context, next *successor) (over bool, err error) {
	defer next.release()
	if err = ctx.Err(); err == nil {
		next.tell(sayOpen)
		err = next.await(ctx, sayReady, readyTime)
	}
	switch {
	case err == nil:
		pid := next.cmd.Process.Pid
		s.super.tell("MAINPID="+strconv.Itoa(pid), "READY=1", "STATUS=") // without what an earlier restart has said
		s.logger.Info("the new process serves, and this one ends", "pid", pid)
		select {
		case <-s.restarts:
			s.logger.Warn("SIGUSR2 came during the restart and was ignored; if the configuration has changed since, send it again, to the new process", "pid", pid)
		default:
		}
		return true, nil
	case ctx.Err() != nil:
		next.end(drainTime) // stopWith has asked it
	default:
		next.kill()
		s.logger.Warn("the new process has failed, and this one opens the log again", "err", err)
		s.failed = err
	}
	for _, p := range s.places() {
		if err := p.reopen(next.files[p]); err != nil && ctx.Err() == nil {
			return false, fmt.Errorf("this process cannot listen again: %w", err)
		}
	}
	return ctx.Err() != nil, nil
}
