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

// number is a metric without labels.
type number struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*hub.Stats) float64
}

func gauge(name, help string, value func(*hub.Stats) float64) number {
	return number{metric(name, help), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*hub.Stats) uint64) number {
	return number{metric(name, help), prometheus.CounterValue, func(s *hub.Stats) float64 { return float64(value(s)) }}
}

var numbers = []number{
	gauge("lag_events_max", "How many events of the log the slowest stream is behind, as far as known.", func(s *hub.Stats) float64 { return float64(s.Streams.MaxLag) }),
	counter("streams_opened_total", "Streams opened.", func(s *hub.Stats) uint64 { return s.Streams.Opened }),
	counter("streams_moved_total", "Slow subscribers that were moved to the newest event with a gap.", func(s *hub.Stats) uint64 { return s.Streams.Moved }),
	counter("events_stored_total", "Events appended to the log.", func(s *hub.Stats) uint64 { return s.Events.Stored }),
	counter("events_duplicate_total", "Events published again with the same idempotency key.", func(s *hub.Stats) uint64 { return s.Events.Duplicates }),
	counter("events_delivered_total", "Events delivered, counted once per subscriber.", func(s *hub.Stats) uint64 { return s.Events.Delivered }),
	counter("delivered_bytes_total", "Bytes sent to subscribers.", func(s *hub.Stats) uint64 { return s.Events.DeliveredBytes }),
	gauge("revocations", "Revocations in force.", func(s *hub.Stats) float64 { return float64(s.Revocations) }),
	gauge("log_head", "Sequence number of the newest event in the log.", func(s *hub.Stats) float64 { return float64(s.Log.Head) }),
	gauge("log_first", "Sequence number of the oldest event in the log.", func(s *hub.Stats) float64 { return float64(s.Log.First) }),
	gauge("log_events", "Events in the log.", func(s *hub.Stats) float64 { return float64(s.Log.Events) }),
	gauge("log_bytes", "Bytes of the events in the log, as retention counts them.", func(s *hub.Stats) float64 { return float64(s.Log.Bytes) }),
	gauge("log_dead_topics", "Topics without events that the log remembers because of what they have lost.", func(s *hub.Stats) float64 { return float64(s.Log.DeadTopics) }),
	gauge("log_dead_topic_bytes", "Bytes of these topics, as retention counts them.", func(s *hub.Stats) float64 { return float64(s.Log.DeadTopicBytes) }),
	gauge("log_unseen_events", "Events in the log that the hub has not read yet.", func(s *hub.Stats) float64 { return float64(s.Log.Unseen) }),
	gauge("window_events", "Events in the window in memory.", func(s *hub.Stats) float64 { return float64(s.Window.Events) }),
	gauge("window_bytes", "Bytes of the events in the window.", func(s *hub.Stats) float64 { return float64(s.Window.Bytes) }),
	gauge("body_bytes", "Memory held by bodies that are being published.", func(s *hub.Stats) float64 { return float64(s.Bodies.Bytes) }),
	gauge("presence_topics", "Topics with members, streams that ask to be seen, or watchers.", func(s *hub.Stats) float64 { return float64(s.Presence.Topics) }),
	gauge("presence_members", "Members of all topics; a subject counts once for each.", func(s *hub.Stats) float64 { return float64(s.Presence.Members) }),
	counter("presence_changes_total", "Events about changes of presence, each counted once for all watchers of its topic.", func(s *hub.Stats) uint64 { return s.Presence.Changes }),
	counter("presence_delivered_total", "Events about presence delivered, counted once per watcher.", func(s *hub.Stats) uint64 { return s.Presence.Delivered }),
	gauge("ready", "1 if /readyz reports that the hub is ready, otherwise 0.", func(s *hub.Stats) float64 { return oneIf(s.Ready) }),
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// clusterNumbers are the metrics of a hub whose log is shared.
var clusterNumbers = []number{
	gauge("cluster_hubs", "Hubs of the cluster heard of in the last 10 seconds, with this one.", func(s *hub.Stats) float64 { return float64(s.Cluster.Hubs) }),
	gauge("cluster_lag_messages", "Messages of the shared log that are not in this hub's log yet.", func(s *hub.Stats) float64 { return float64(s.Cluster.Lag) }),
	gauge("cluster_contact_seconds", "Time since the last contact with the shared log.", func(s *hub.Stats) float64 { return float64(s.Cluster.ContactAge) / 1000 }),
}

// The metrics with labels, and the histogram.
var (
	streamsMetric = metric("streams", "Open streams, by kind of delivery and form.", "kind", "form")
	behindMetric  = metric("streams_behind", "Streams that are not live: catching up, or stalled because their clients accept no more.", "stage")
	closedMetric  = metric("streams_closed_total", "Streams ended, by reason.", "reason")
	latencyMetric = metric("delivery_seconds", "Time from the log to the sockets, once per group of subscribers that get the same bytes together.")
	refusedMetric = metric("requests_refused_total", "Requests refused, by type of problem.", "problem")
	tokensMetric  = metric("tokens_refused_total", "Tokens refused, by reason.", "reason")
	limitsMetric  = metric("limits_reached_total", "Requests refused because of a limit, by limit.", "limit")

	validMetric   = metric("certificate_not_before_seconds", "When the certificate of the server for a domain became valid, as Unix time.", "name")
	expiresMetric = metric("certificate_not_after_seconds", "When the certificate of the server for a domain expires, as Unix time.", "name")
	failingMetric = metric("certificate_failing", "1 if the last attempt to get or to replace the certificate for a domain failed, otherwise 0.", "name")
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
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for _, n := range numbers {
		send(n.desc, n.kind, n.value(s))
	}
	if s.Cluster != nil {
		for _, n := range clusterNumbers {
			send(n.desc, n.kind, n.value(s))
		}
	}
	for _, n := range s.Streams.Open {
		send(streamsMetric, prometheus.GaugeValue, float64(n.Count), n.Kind, n.Form)
	}
	for _, c := range s.Certificates {
		send(failingMetric, prometheus.GaugeValue, oneIf(c.Failing), c.Name)
		if !c.NotAfter.IsZero() {
			send(validMetric, prometheus.GaugeValue, float64(c.NotBefore.Unix()), c.Name)
			send(expiresMetric, prometheus.GaugeValue, float64(c.NotAfter.Unix()), c.Name)
		}
	}
	for stage, n := range s.Streams.Behind {
		send(behindMetric, prometheus.GaugeValue, float64(n), stage)
	}
	for _, of := range []struct {
		desc   *prometheus.Desc
		counts map[string]uint64 // by label
	}{
		{closedMetric, s.Streams.Closed}, {refusedMetric, s.Refused.Requests}, {tokensMetric, s.Refused.Tokens}, {limitsMetric, s.Refused.Limits},
	} {
		for label, n := range of.counts {
			send(of.desc, prometheus.CounterValue, float64(n), label)
		}
	}
	out <- prometheus.MustNewConstHistogram(latencyMetric, s.Latency.Count, s.Latency.Sum.Seconds(), s.Latency.Buckets)
}
