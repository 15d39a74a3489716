package hub

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Prepare returns a hub that has no log yet, for programs that listen before their log is open: to open a large or damaged log may take
// minutes, and whoever probes the hub meanwhile should have an answer. Until [Hub.Open], /healthz answers that the process is there,
// and everything else is refused for the moment: with 503 and Retry-After, or, for browsers and clients that resume, with a stream that tells
// them when to come back.
func Prepare(o *Options) (*Hub, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ignored, err := ignoredParams(opts.IgnoreParams)
	if err != nil {
		return nil, err
	}
	h := &Hub{
		opts: opts, ignored: ignored, limits: newLimits(&opts), bodies: newBodyMemory(opts.MaxBodyMemory), routes: routesOf(opts.Dialects),
		closing: make(chan struct{}),
	}
	h.count.begin()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// Open gives the hub its log and begins to serve. It is called once, and not after Shutdown. It reads the newest events first, until ctx
// ends. The caller keeps the log, as for [New].
func (h *Hub) Open(ctx context.Context, log eventlog.Log) (err error) {
	h.log = log
	h.revocations = newRevocations(h, h.opts.Revocations)
	if h.opts.Metrics != nil {
		h.metrics = h.opts.Metrics(h)
	}
	h.fanout, err = fanout.New(ctx, log, fanout.Options{
		Window: h.opts.Window, Heartbeat: h.opts.Heartbeat, ShortestHeartbeat: h.opts.HeartbeatMin, WriteTimeout: h.opts.WriteTimeout,
		MaxAge: h.opts.MaxAge, MaxLag: h.opts.MaxLag, MaxLagTime: h.opts.MaxLagTime, SkipSlow: h.opts.SkipSlow, Logger: h.opts.Logger,
		OnRecords: func(records []eventlog.Record) {
			h.revocations.see(records)
			h.stored.notify()
		},
	})
	if err != nil {
		h.cancel()
		return fmt.Errorf("hub: reading the newest events: %w", err)
	}
	if err := h.revocations.load(ctx); err != nil {
		h.cancel()
		return fmt.Errorf("hub: reading what was revoked: %w", err)
	}
	h.fanout.Start()
	h.background.Go(func() {
		pprof.Do(h.ctx, pprof.Labels("goroutine", "hub revocations"), h.revocations.keep)
	})
	h.opened.Store(true) // everything above is there for goroutines that read true
	return nil
}

// unopened is why the hub serves nothing before Open.
func (h *Hub) unopened() *Problem {
	select {
	case <-h.draining():
		return h.drainProblem()
	default:
		return notReady("the hub is opening its log; come back in a few seconds")
	}
}
