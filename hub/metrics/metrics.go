// Package metrics serves the metrics of a hub in the format of Prometheus:
//
//	h, err := hub.New(log, &hub.Options{Metrics: metrics.Handler})
//
// It is separate from package hub, so that a program links the Prometheus library only if it needs metrics.
//
// Each hub has its own registry, so that a process can have several hubs. Clients cannot choose the values of labels.
package metrics

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidings-sse/tidings/hub"
)

// metric describes a metric: its name after tidings_, its help text, and its labels.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tidings_"+name, help, labels, nil)
}

var (
	streamsMetric   = metric("streams", "Open streams, by kind of delivery and form.", "kind", "form")
	behindMetric    = metric("streams_behind", "Streams that are not live: catching up, or stalled because their clients accept no more.", "stage")
	lagMetric       = metric("lag_events_max", "How many events of the log the slowest stream is behind, as far as known.")
	openedMetric    = metric("streams_opened_total", "Streams opened.")
	closedMetric    = metric("streams_closed_total", "Streams ended, by reason.", "reason")
	movedMetric     = metric("streams_moved_total", "Slow subscribers that were moved to the newest event with a gap.")
	storedMetric    = metric("events_stored_total", "Events appended to the log.")
	duplicateMetric = metric("events_duplicate_total", "Events published again with the same idempotency key.")
	deliveredMetric = metric("events_delivered_total", "Events delivered, counted once per subscriber.")
	bytesMetric     = metric("delivered_bytes_total", "Bytes sent to subscribers.")
	latencyMetric   = metric("delivery_seconds", "Time from the log to the sockets, once per group of subscribers that get the same bytes together.")
	refusedMetric   = metric("requests_refused_total", "Requests refused, by type of problem.", "problem")
	tokensMetric    = metric("tokens_refused_total", "Tokens refused, by reason.", "reason")
	limitsMetric    = metric("limits_reached_total", "Requests refused because of a limit, by limit.", "limit")
	revokedMetric   = metric("revocations", "Revocations in force.")
	headMetric      = metric("log_head", "Sequence number of the newest event in the log.")
	firstMetric     = metric("log_first", "Sequence number of the oldest event in the log.")
	eventsMetric    = metric("log_events", "Events in the log.")
	logBytesMetric  = metric("log_bytes", "Bytes of the events in the log, as retention counts them.")
	deadMetric      = metric("log_dead_topics", "Topics without events that the log remembers because of what they have lost.")
	deadBytesMetric = metric("log_dead_topic_bytes", "Bytes of these topics, as retention counts them.")
	windowMetric    = metric("window_events", "Events in the window in memory.")
	windowBytes     = metric("window_bytes", "Bytes of the events in the window.")
	bodiesMetric    = metric("body_bytes", "Memory held by bodies that are being published.")
	unseenMetric    = metric("log_unseen_events", "Events in the log that the hub has not read yet.")
	hubsMetric      = metric("cluster_hubs", "Hubs of the cluster heard of in the last 10 seconds, with this one.")
	messagesMetric  = metric("cluster_lag_messages", "Messages of the shared log that are not in this hub's log yet.")
	contactMetric   = metric("cluster_contact_seconds", "Time since the last contact with the shared log.")
	readyMetric     = metric("ready", "1 if /readyz reports that the hub is ready, otherwise 0.")
)

// collector turns the statistics of a hub into metrics.
type collector struct{ hub *hub.Hub }

// Handler returns the handler that answers with the metrics of a hub, and those of the process and of Go's runtime.
func Handler(h *hub.Hub) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{h}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe implements [prometheus.Collector]. It sends nothing, so that Collect may send any metrics.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	s, err := c.hub.Stats(context.Background())
	if err != nil {
		return // the hub has no log yet, and does not serve metrics
	}
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
	out <- prometheus.MustNewConstHistogram(latencyMetric, s.Latency.Count, s.Latency.Sum.Seconds(), s.Latency.Buckets)
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
	if c := s.Cluster; c != nil {
		gauge(hubsMetric, float64(c.Hubs))
		gauge(messagesMetric, float64(c.Lag))
		gauge(contactMetric, float64(c.ContactAge)/1000)
	}
	ready := 0.0
	if s.Ready {
		ready = 1
	}
	gauge(readyMetric, ready)
}
