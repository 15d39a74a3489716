package hub

import (
	"net/http"

	"github.com/tidings-sse/tidings/internal/wire"
)

// serveMetrics answers with the metrics of [Options.Metrics].
func serveMetrics(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	if h.metrics == nil {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "the hub has no metrics; its program can add them with Options.Metrics")
	}
	w.Header().Set("Cache-Control", "no-store")
	h.metrics.ServeHTTP(w, r)
	return nil
}
