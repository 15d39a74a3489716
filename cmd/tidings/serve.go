package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
)

// serveCmd is the command line of tidings serve.
type serveCmd struct {
	Addr   string     `default:"localhost:3000" placeholder:"HOST:PORT" help:"Where to listen; ${default} if not said. A port alone, such as :3001, is on localhost."`
	Data   string     `xor:"where" type:"path" placeholder:"DIR" help:"Where the events are kept; tidings-data if not said. It is made if it is not there."`
	Memory bool       `xor:"where" help:"Keep the events in memory instead, until the hub stops."`
	Keep   []keepRule `placeholder:"PATTERN=LIMITS" sep:"none" help:"What to keep of the topics that match, see below. May be said several times: the first that matches counts."`

	KeepBytes byteSize `placeholder:"SIZE" help:"What to keep in all, such as 500MB or 10GB; 1GiB if not said, 64MiB with --memory. The oldest events go first."`
	Sync      string   `enum:"always,interval" default:"always" help:"always: an event is on disk before its publisher has the answer. interval: within 100 ms, which is faster, and the power may take what was acknowledged last."`

	MaxEvent byteSize `default:"1MiB" placeholder:"SIZE" help:"The largest event that is taken; ${default} if not said, at most 16MiB."`
	Origin   []string `placeholder:"URL" help:"An origin, such as https://example.com, whose pages may use the hub, besides its own; * for all, without their cookies. May be said several times."`
}

// Help is shown below the command's usage.
func (*serveCmd) Help() string {
	return `Publish and follow, each in a terminal of its own:

    curl -N localhost:3000/events/news
    curl -d hello localhost:3000/events/news

A page follows with new EventSource('http://localhost:3000/events/news').

--keep says what is kept of topics, by pattern: * stands for one segment, ** at the end for any number.

    --keep 'chat/**=age:24h'             one day
    --keep 'chat/**=age:7d,count:1000'   one week, and no more than 1000 events of each topic
    --keep 'prices/*=latest:1'           the newest event of each topic; the one before is superseded, not missing

What no rule matches is kept for 7 days.

Ctrl-C stops the hub: its streams get what there is, and come back when it is up again. They have missed nothing.`
}

// Run serves a hub until ctx is cancelled.
func (c *serveCmd) Run(ctx context.Context, std stdio) error {
	logger := slog.New(slog.NewTextHandler(std.err, nil))
	listeners, err := listenLocal(net.Listen, c.Addr)
	if err != nil {
		return err
	}
	log, where, err := c.open(logger)
	if err != nil {
		closeAll(listeners)
		return err
	}
	h, err := hub.New(log, &hub.Options{AllowOrigins: c.Origin, MaxEvent: int(c.MaxEvent), Logger: logger})
	if err != nil {
		closeAll(listeners)
		return errors.Join(err, log.Close())
	}
	url := urlOf(listeners, c.Addr)
	_, _ = fmt.Fprintf(std.out, "tidings serve listens on %s, with its events in %s; try: curl -N %s/events/news & curl -d hello %s/events/news\n", url, where, url, url)
	server := &hubServer{hub: h, handler: h, logger: logger, grace: drainTime}
	err = server.serve(ctx, listeners...)
	return errors.Join(err, log.Close())
}

// open opens the log, and says where it is.
func (c *serveCmd) open(logger *slog.Logger) (log eventlog.Log, where string, err error) {
	keep := &eventlog.Retention{Bytes: int64(c.KeepBytes)}
	for _, k := range c.Keep {
		keep.Rules = append(keep.Rules, k.rule)
	}
	if c.Memory {
		log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: keep})
		return log, "memory", err
	}
	o := &disklog.Options{Retention: keep, Logger: logger}
	if c.Sync == "interval" {
		o.Sync = disklog.SyncInterval
	}
	dir := cmp.Or(c.Data, "tidings-data")
	if log, err = disklog.Open(dir, o); err != nil {
		return nil, "", err
	}
	if where, err = filepath.Abs(dir); err != nil {
		where = dir
	}
	return log, where, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nobody was served
	}
}

// hubServer serves a hub.
type hubServer struct {
	hub     *hub.Hub
	handler http.Handler // the hub, or what is around it
	logger  *slog.Logger
	grace   time.Duration // that streams and publishers have to take what is under way at the end
}

// drainTime is the grace of tidings serve.
const drainTime = 10 * time.Second

// serve serves until ctx is cancelled or a listener fails.
//
// The order at the end: no new connections, then every stream gets what there is and ends, while publishers under way have
// their answers, then those that take nothing are cut.
func (s *hubServer) serve(ctx context.Context, listeners ...net.Listener) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug), // of single connections, by those who break them
	}
	var running sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		running.Go(func() { failed <- server.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	// The end of ctx is why we stop; what is left to do has its own time.
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer done()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(grace) }()
	drained := s.hub.Shutdown(grace)
	if errors.Join(<-stopped, drained) != nil {
		_ = server.Close() // cuts connections; there is nothing in an error here that could be done better
	}
	running.Wait()
	return err
}
