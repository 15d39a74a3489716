package hub

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Prepare returns a hub without a log, for programs that listen before their log is open. Opening a large or damaged log may take
// minutes, and health checks need an answer meanwhile. Until [Hub.Open], /healthz succeeds and all other requests are refused with 503
// and Retry-After. Browsers and clients that resume get a short stream with a reconnection time instead.
func Prepare(o *Options) (*Hub, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Hub{
		opts: opts, limits: newLimits(&opts), bodies: newBodyMemory(opts.MaxBodyMemory), routes: routesOf(opts.Dialects),
		closing: make(chan struct{}), keyless: o == nil || o.Authorize == nil,
	}
	h.count.begin()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.bodiesEnd, h.endBodies = context.WithCancel(context.Background())
	return h, nil
}

// Open gives the hub its log and starts serving it. It first reads the newest events and the revocations, and fails if ctx ends before that.
// The caller keeps the log, as for [New]. Call Open once, and not after Shutdown.
func (h *Hub) Open(ctx context.Context, log eventlog.Log) (err error) {
	h.log = log
	h.revocations = newRevocations(h, h.opts.Revocations)
	if h.opts.Metrics != nil {
		h.metrics = h.opts.Metrics(h)
	}
	h.fanout, err = fanout.New(ctx, log, fanout.Options{
		Window: h.opts.Window, Heartbeat: h.opts.Heartbeat, ShortestHeartbeat: h.opts.HeartbeatMin, WriteTimeout: h.opts.WriteTimeout,
		Gather: h.opts.Gather, MaxAge: h.opts.MaxAge, MaxLag: h.opts.MaxLag, MaxLagTime: h.opts.MaxLagTime, SkipSlow: h.opts.SkipSlow, Logger: h.opts.Logger,
		Encodings: []fanout.Encoding{plainEncoding, envelopeEncoding, ndjsonEncoding},
		OnRecords: func(records []eventlog.Record) {
			h.revocations.see(records)
			h.stored.notify()
		},
		OnSkip: func(ctx context.Context, after eventlog.Position) error {
			err := h.revocations.reload(ctx, after)
			h.stored.notify()
			return err
		},
	})
	if err != nil {
		h.cancel()
		return fmt.Errorf("hub: reading the newest events: %w", err)
	}
	if err := h.revocations.load(ctx, eventlog.Position{}); err != nil {
		h.cancel()
		return fmt.Errorf("hub: reading revocations: %w", err)
	}
	h.presence = newPresence(h)
	h.fanout.Start()
	if err := h.joinCluster(); err != nil {
		return errors.Join(err, h.fanout.Shutdown(ctx))
	}
	h.background.Go(func() {
		pprof.Do(h.ctx, pprof.Labels("goroutine", "hub revocations"), h.revocations.keep)
	})
	h.background.Go(func() {
		pprof.Do(h.ctx, pprof.Labels("goroutine", "hub presence"), h.presence.Run)
	})
	h.opened.Store(true) // last: goroutines that read true use the fields above
	return nil
}

// unopened returns the problem of requests before Open.
func (h *Hub) unopened() *Problem {
	return h.beforeOpen("the hub is opening its log; try again in a few seconds")
}

// waiting returns the problem of /readyz before Open. It names the hubs that are missing, for operators.
func (h *Hub) waiting() *Problem {
	if reason := h.waitsFor(); reason != "" {
		return h.beforeOpen("the hub is not open yet: " + reason)
	}
	return h.unopened()
}

// beforeOpen returns the problem of a hub that is not open for a reason, unless it drains.
func (h *Hub) beforeOpen(reason string) *Problem {
	select {
	case <-h.draining():
		return h.drainProblem()
	default:
		return notReady(reason)
	}
}
