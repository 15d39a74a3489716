package hub

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
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
		opts: opts, ignored: ignored, limits: newLimits(&opts), bodies: newBodyMemory(opts.MaxBodyMemory),
		draining: make(chan struct{}), lastLook: make(chan struct{}),
	}
	h.count.begin()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// Open gives the hub its log and lets everybody in. It is called once, and not after Shutdown. It reads the newest events first, until ctx
// ends. The log stays the caller's, as that of [New].
func (h *Hub) Open(ctx context.Context, log eventlog.Log) error {
	h.log, h.pages = log, newPages(log)
	h.revocations = newRevocations(h, h.opts.Revocations)
	h.metrics = newMetrics(h)
	h.window = newWindow(log.Head(), h.opts.Window)
	h.replayers = newReplayers(h)
	if err := h.warm(ctx); err != nil {
		h.cancel()
		return fmt.Errorf("hub: reading the newest events: %w", err)
	}
	h.count.taken.Store(0) // what was there before has not come
	if err := h.revocations.load(ctx); err != nil {
		h.cancel()
		return fmt.Errorf("hub: reading what was revoked: %w", err)
	}
	h.startShards()
	h.reading.Go(func() { labelled("hub revocations", func() { h.revocations.keep(h.ctx) }) })
	h.reading.Go(func() { labelled("hub tail", func() { h.tail(h.ctx); h.orphaned() }) })
	for range max(2, runtime.GOMAXPROCS(0)) {
		h.reading.Go(func() { labelled("hub replayer", func() { h.replayers.run(h.ctx) }) })
	}
	h.opened.Store(true) // everything above is there for whoever reads true
	return nil
}

// serveUnopened answers a request to a hub whose log is not open yet.
func (h *Hub) serveUnopened(w http.ResponseWriter, r *http.Request, route *route) error {
	if route.path == healthPath {
		return route.serve(h, w, r, "")
	}
	p := unopened()
	select {
	case <-h.draining:
		p = h.drainProblem()
	default:
	}
	if streams := strings.HasPrefix(route.path, "/events"); streams && (r.Method == http.MethodGet || r.Method == methodQuery) {
		form, err := negotiate(r.Header)
		if err != nil {
			return err
		}
		return h.refuseStream(w, r, form, p)
	}
	return p
}

// unopened is why the hub takes nothing before Open.
func unopened() *Problem { return notReady("the hub is opening its log; come back in a few seconds") }
