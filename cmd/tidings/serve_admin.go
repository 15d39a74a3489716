package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// listenAdmin listens at --admin-addr. Without the flag the place has no listeners.
func (f *listenFlags) listenAdmin(g given) (*place, error) {
	if f.AdminAddr == "" {
		return &place{role: roleAdmin}, nil
	}
	p, err := f.listen(roleAdmin, f.AdminAddr, nil, g)
	if err != nil {
		return nil, ofAdmin(err)
	}
	return p, nil
}

// ofAdmin turns an error about --addr into the same error about --admin-addr.
func ofAdmin(err error) error { return renameAddr(err, "--admin-addr") }

// renameAddr turns an error about --addr into the same error about another flag.
func renameAddr(err error, flag string) error {
	if err == nil {
		return nil
	}
	text := errors.New(strings.ReplaceAll(err.Error(), "--addr", flag))
	if exit, ok := errors.AsType[*exitError](err); ok {
		return &exitError{exit.code, text}
	}
	return text
}

// adminGrace is how long an answer to an administrator may take during the shutdown.
const adminGrace = 2 * time.Second

// serve answers requests at a place until stop is called. stop waits for answers in progress, for at most adminGrace, and not longer than its context.
// If the server fails earlier, the hub continues without it.
func (p *place) serve(h http.Handler, logger *slog.Logger) (stop func(context.Context)) {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: defaultHeaderTimeout, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	places := boundAdmin(server, logger)
	var running sync.WaitGroup
	for _, l := range p.listeners {
		running.Go(func() { _ = server.Serve(places.listener(l)) })
	}
	return func(ctx context.Context) {
		ctx, done := context.WithTimeout(ctx, adminGrace)
		defer done()
		closeAll(p.listeners)
		running.Wait()
		_ = places.shutDown(ctx) // answers that take longer are cut
	}
}
