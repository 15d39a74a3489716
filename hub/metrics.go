package hub

import "net/http"

// serveMetrics answers with the metrics of [Options.Metrics].
func serveMetrics(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	if h.metrics == nil {
		return problem(http.StatusNotFound, problemNotFound, "the hub has no metrics; its program can add them with Options.Metrics")
	}
	w.Header().Set("Cache-Control", "no-store")
	h.metrics.ServeHTTP(w, r)
	return nil
}
