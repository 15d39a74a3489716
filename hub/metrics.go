package hub

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Metrics are the counters, in the form that Prometheus reads. Each hub has a registry of its own, so that several in one process stay
// apart, and no label has a value that somebody outside could choose.

// metric describes one: its name after tidings_, what it says, and its labels.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tidings_"+name, help, labels, nil)
}

var (
	streamsMetric   = metric("streams", "Streams that are open, by how their bytes leave and what they look like.", "kind", "form")
	behindMetric    = metric("streams_behind", "Streams that are not live: catching up, or stalled because their clients take no more.", "stage")
	lagMetric       = metric("lag_events_max", "Events of the log by which the slowest stream is behind, as far as it is known.")
	openedMetric    = metric("streams_opened_total", "Streams that were opened.")
	closedMetric    = metric("streams_closed_total", "Streams that have ended, by reason.", "reason")
	movedMetric     = metric("streams_moved_total", "Streams of slow subscribers that were moved on to the newest event, and told of the gap.")
	storedMetric    = metric("events_stored_total", "Events that have come into the log.")
	duplicateMetric = metric("events_duplicate_total", "Events that were published again with their key, and were stored before.")
	deliveredMetric = metric("events_delivered_total", "Events that have left, counted for each subscriber.")
	bytesMetric     = metric("delivered_bytes_total", "Bytes that have left to subscribers.")
	latencyMetric   = metric("delivery_seconds", "From the log to the sockets, once for all who get the same at the same time.")
	refusedMetric   = metric("requests_refused_total", "Requests that were refused, by type of problem.", "problem")
	tokensMetric    = metric("tokens_refused_total", "Tokens that were refused, by reason.", "reason")
	limitsMetric    = metric("limits_reached_total", "Requests that were refused because of a limit, by limit.", "limit")
	revokedMetric   = metric("revocations", "Revocations that are in force.")
	headMetric      = metric("log_head", "Number of the newest event in the log.")
	firstMetric     = metric("log_first", "Number of the oldest event in the log.")
	eventsMetric    = metric("log_events", "Events in the log.")
	logBytesMetric  = metric("log_bytes", "Bytes that the events in the log count for.")
	deadMetric      = metric("log_dead_topics", "Topics without events that the log remembers, with what they have lost.")
	deadBytesMetric = metric("log_dead_topic_bytes", "Bytes that these topics count for.")
	windowMetric    = metric("window_events", "Events in memory.")
	windowBytes     = metric("window_bytes", "Bytes that the events in memory take.")
	bodiesMetric    = metric("body_bytes", "Bytes of memory that bodies take which are being published.")
	unseenMetric    = metric("log_unseen_events", "Events in the log that the hub has not seen yet.")
	readyMetric     = metric("ready", "1 if the hub is ready, as /readyz says.")
)

// collector makes metrics of what a hub has counted.
type collector struct{ hub *Hub }

// newMetrics returns what answers with a hub's metrics, and those of the process.
func newMetrics(h *Hub) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{h}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe implements [prometheus.Collector]. It says nothing, which means that Collect gives what there is.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	s := c.hub.stats(ctx)
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, n := range s.Streams.Open {
		gauge(streamsMetric, float64(n.Count), n.Kind, n.Form)
	}
	for stage, n := range s.Streams.Behind {
		gauge(behindMetric, float64(n), stage)
	}
	gauge(lagMetric, float64(s.Streams.MaxLag))
	counter(openedMetric, s.Streams.Opened)
	for reason, n := range s.Streams.Closed {
		counter(closedMetric, n, reason)
	}
	counter(movedMetric, s.Streams.Moved)
	counter(storedMetric, s.Events.Stored)
	counter(duplicateMetric, s.Events.Duplicates)
	counter(deliveredMetric, s.Events.Delivered)
	counter(bytesMetric, s.Events.DeliveredBytes)
	out <- latencyHistogram(c.hub.fanout.Counts())
	for problem, n := range s.Refused.Requests {
		counter(refusedMetric, n, problem)
	}
	for reason, n := range s.Refused.Tokens {
		counter(tokensMetric, n, reason)
	}
	for limit, n := range s.Refused.Limits {
		counter(limitsMetric, n, limit)
	}
	gauge(revokedMetric, float64(s.Revocations))
	gauge(headMetric, float64(s.Log.Head))
	gauge(firstMetric, float64(s.Log.First))
	gauge(eventsMetric, float64(s.Log.Events))
	gauge(logBytesMetric, float64(s.Log.Bytes))
	gauge(deadMetric, float64(s.Log.DeadTopics))
	gauge(deadBytesMetric, float64(s.Log.DeadTopicBytes))
	gauge(unseenMetric, float64(s.Log.Unseen))
	gauge(windowMetric, float64(s.Window.Events))
	gauge(windowBytes, float64(s.Window.Bytes))
	gauge(bodiesMetric, float64(s.Bodies.Bytes))
	ready := 0.0
	if s.Ready {
		ready = 1
	}
	gauge(readyMetric, ready)
}

// latencyHistogram returns the histogram of deliveries.
func latencyHistogram(n fanout.Counts) prometheus.Metric {
	last := len(n.Latency) - 1
	buckets := make(map[float64]uint64, last)
	var total uint64
	for i, count := range n.Latency {
		if total += count; i < last {
			buckets[(time.Millisecond << i).Seconds()] = total
		}
	}
	return prometheus.MustNewConstHistogram(latencyMetric, total, n.LatencySum.Seconds(), buckets)
}

// serveMetrics answers with the metrics.
func serveMetrics(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	h.metrics.ServeHTTP(w, r)
	return nil
}
