package hub

import (
	"context"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// serveHealth answers that the process runs. It checks nothing else, because a failed health check restarts the process.
func serveHealth(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	return answerJSON(w, map[string]bool{"healthy": true})
}

// serveReady answers whether the hub can serve requests.
func serveReady(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	if p := h.unready(r.Context()); p != nil {
		return p
	}
	return answerJSON(w, map[string]bool{"ready": true})
}

// readyTimeout limits how long the log may take to report whether it is ready.
const readyTimeout = 2 * time.Second

// unready returns the problem if the hub is not ready: it is draining, or it cannot read its log or append to it.
func (h *Hub) unready(ctx context.Context) *Problem {
	select {
	case <-h.draining():
		return h.drainProblem()
	default:
	}
	if !h.fanout.Readable() {
		return h.unreadable()
	}
	log, ok := h.log.(eventlog.Readier)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := log.Ready(ctx); err != nil {
		return notReady("the event log accepts no events at the moment; the log messages of the hub have the cause")
	}
	return nil
}

// unreadable returns the problem of a hub that cannot read its log.
func (h *Hub) unreadable() *Problem {
	return notReady("the newest events cannot be read from the event log; the log messages of the hub have the cause")
}

func notReady(detail string) *Problem {
	p := problem(http.StatusServiceUnavailable, problemNotReady, "%s", detail)
	p.RetryAfter = retryAfter
	return p
}
