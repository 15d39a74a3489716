package hub

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// serveHealth answers that the process runs. It checks nothing else, because a failed health check restarts the process.
func serveHealth(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	return answerJSON(w, map[string]bool{"healthy": true})
}

// serveReady answers whether the hub can serve requests.
func serveReady(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	if p := h.unready(r.Context()); p != nil {
		return h.explained(p)
	}
	return answerJSON(w, &readiness{true, h.warnings()})
}

// readiness is the answer of a hub that is ready. Warnings need an operator, and do not stop the hub from serving: without a certificate, for
// example, load balancers must still lead the CA to it.
type readiness struct {
	Ready    bool     `json:"ready"`
	Warnings []string `json:"warnings,omitempty"`
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
	if h.lameDuck.Load() {
		return h.drainProblem()
	}
	if err := h.fanout.Ready(); err != nil {
		return h.Problem(err)
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

// explained returns the problem of a hub that is not ready with what it waits for, for operators.
func (h *Hub) explained(p *Problem) *Problem {
	reason := h.waitsFor()
	if reason == "" || !p.is(wire.ProblemNotReady) {
		return p
	}
	return notReady("the hub cannot use the log that it shares with other hubs: " + reason)
}

// waitsFor says what a hub of a cluster waits for; empty: nothing, or not known.
func (h *Hub) waitsFor() string {
	if c := h.opts.Cluster; c != nil && c.Waiting != nil {
		return withoutAdvice(c.Waiting())
	}
	return ""
}

// withoutAdvice removes the advice to clients at the end of a reason, for operators, who have nothing to try again.
func withoutAdvice(reason string) string { return strings.TrimSuffix(reason, tryLater) }

// unreadable returns the problem of a hub that cannot read its log.
func unreadable() *Problem {
	return notReady("the newest events cannot be read from the event log; the log messages of the hub have the cause")
}

// isolated returns the problem of a hub without contact to the shared log.
func isolated() *Problem {
	return notReady("this hub has no contact with the log that it shares with other hubs; try again, another hub may answer")
}

// behind returns the problem of a hub that has not reached the position of a client.
func behind() *Problem {
	return notReady("this hub has not reached your position in the log yet; try again, with the same position")
}

func notReady(detail string) *Problem {
	p := NewProblem(http.StatusServiceUnavailable, wire.ProblemNotReady, "%s", detail)
	p.RetryAfter = retryAfter
	return p
}
