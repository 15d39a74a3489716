package main

import (
	"context"

	"github.com/tidings-sse/tidings/hub"
)

// serveCmd is the command line of tidings serve.
type serveCmd struct {
	serveFlags `embed:""`

	self    invocation
	signals *signals // nil: not caught yet
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

SIGUSR2 restarts the hub without downtime, with a new configuration or a new binary: docs/restart.md. SIGHUP loads its certificates again.

Ctrl-C stops the hub: each stream gets the events that are stored, and ends. When the hub is up again, clients reconnect and miss nothing.`
}

// Run serves a hub until ctx is cancelled.
func (c *serveCmd) Run(ctx context.Context, std stdio, env environ, self invocation, caught *signals) error {
	c.self, c.signals = self, caught
	return c.run(ctx, std, env, c.open)
}

// run checks the settings and reads the keys before it listens, and listens before it opens the log, so that health checks get an answer
// while the log is being opened.
func (c *serveCmd) run(ctx context.Context, std stdio, env environ, open logOpener) error {
	if c.signals == nil {
		c.signals = catchSignals(std.err)
	}
	defer c.signals.stop()
	before, sockets, err := c.given(env)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	defer before.close()
	defer sockets.close()
	if err := c.check(env); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := before.keepsLog(&c.serveFlags); err != nil {
		return err
	}
	go hub.TuneProcess(ctx)
	logger := c.logger(std.err)
	before.report(logger)
	c.warnInsecure(logger, c.keyed(env))
	s := &service{serveCmd: c, std: std, env: env, logger: logger, before: before, super: supervisorOf(env, logger), openLog: open, restarts: c.signals.restart, hangups: c.signals.hangup != nil, served: make(chan struct{})}
	if s.tokens, err = c.tokens(env, logger); err != nil {
		return err
	}
	defer s.tokens.close()
	s.tokens.fetch(ctx)
	if s.security, err = c.secure(logger, s.hangups); err != nil {
		return err
	}
	defer s.security.close()
	if s.hangups {
		defer c.logHangups(c.signals.hangup, logger)()
	}
	if s.traces, err = startTraces(ctx, env, logger); err != nil {
		return err
	}
	defer s.traces.stop(ctx, logger)
	if s.public, err = c.listen(rolePublic, c.Addr, s.security.config(), sockets); err != nil {
		return err
	}
	defer s.public.close()
	s.security.name(s.public, !c.keyed(env) && !c.Insecure)
	if s.admin, err = c.listenAdmin(sockets); err != nil {
		return err
	}
	defer s.admin.close()
	if s.plain, err = c.startACME(s.security.acme, s.public, sockets, logger); err != nil {
		return err
	}
	defer s.plain.close()
	sockets.close() // those that the settings do not ask for any more
	defer context.AfterFunc(ctx, func() { s.super.tell("STOPPING=1") })()
	return s.run(ctx)
}

// given returns the sockets that the process is given, and its predecessor if it has one.
func (c *serveCmd) given(env environ) (*predecessor, given, error) {
	before, sockets, err := handed(env)
	if err == nil && before == nil {
		sockets, err = systemdSockets(env)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := c.adopt(sockets); err != nil {
		sockets.close()
		before.close()
		return nil, nil, err
	}
	return before, sockets, nil
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
