package hub

import (
	"context"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// serveHealth answers that the process is there, and nothing more: who asks it restarts the hub if it is not.
func serveHealth(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	return answerJSON(w, map[string]bool{"healthy": true})
}

// serveReady answers whether requests should be sent here.
func serveReady(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	if p := h.unready(r.Context()); p != nil {
		return p
	}
	return answerJSON(w, map[string]bool{"ready": true})
}

// readyTimeout is how long the log may take to say whether it is ready.
const readyTimeout = 2 * time.Second

// unready returns why the hub is not ready: it stops, or what is published would not be stored, or not be seen.
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
		return notReady("the log takes no events at the moment; the hub's log says more")
	}
	return nil
}

// unreadable is the problem of a hub that cannot read its log.
func (h *Hub) unreadable() *Problem {
	return notReady("the newest events cannot be read from the log; the hub's log says more")
}

func notReady(detail string) *Problem {
	p := problem(http.StatusServiceUnavailable, problemNotReady, "%s", detail)
	p.RetryAfter = comeBack
	return p
}
