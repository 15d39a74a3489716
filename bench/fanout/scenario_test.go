package fanout

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// report is the part of the output of tidings bench that the benchmarks use.
type report struct {
	Subscribers struct {
		Connected float64
		PerSecond float64 `json:"connects_per_second"`
	}
	Published struct {
		Answers times `json:"answer_ms"`
	}
	Delivered delivered
	Latency   times `json:"latency_ms"`
	Back      struct {
		Live    float64
		Seconds float64
		delivered
	} `json:"came_back"`
	Hub struct {
		Percent     float64 `json:"cpu_percent"`
		PerDelivery float64 `json:"cpu_us_per_delivery"`
		Idle        float64 `json:"rss_bytes_connected"`
	}
}

type times struct{ P50, P99 float64 }

type delivered struct {
	PerSecond  float64 `json:"events_per_second"`
	Lost       float64
	Duplicates float64
	OutOfOrder float64 `json:"out_of_order"`
	Misrouted  float64
}

func (d delivered) faults() float64 { return d.Lost + d.Duplicates + d.OutOfOrder + d.Misrouted }

// load puts the hub under load for -benchtime, from the other core. Lost or wrong events are reported as figures, too.
func (h *hub) load(b *testing.B, args ...string) (r report) {
	b.Helper()
	command := []string{"-c", loadCore, program(b, tidingsProgram), "bench", "--json", "--duration", flag.Lookup("test.benchtime").Value.String()}
	command = append(append(command, h.flags(h.port)...), "--pid", strings.Join(h.pids, ","))
	var out, complaint bytes.Buffer
	cmd := exec.Command("taskset", append(command, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	const faulty = 4
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != faulty {
		b.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, &complaint)
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		b.Fatalf("%v in %s", err, &out)
	}
	return r
}

// BenchmarkSteady measures the cost of a delivery when each event is written separately.
func BenchmarkSteady(b *testing.B) { steady(b, contestants) }

// BenchmarkSecure is BenchmarkSteady over TLS.
func BenchmarkSecure(b *testing.B) {
	steady(b, secured)
	run(b, secured, "load=http2-1000x50", speaksHTTP2, func(b *testing.B, h *hub) {
		h.steady(b, "--subscribers", "1000", "--rate", "50", "--http2", "100")
	})
}

func steady(b *testing.B, some []contestant) {
	for _, load := range []struct{ name, subscribers, rate string }{{"1000x50", "1000", "50"}, {"10000x10", "10000", "10"}} {
		run(b, some, "load="+load.name, all, func(b *testing.B, h *hub) {
			h.steady(b, "--subscribers", load.subscribers, "--rate", load.rate)
		})
	}
}

func (h *hub) steady(b *testing.B, args ...string) {
	r := h.load(b, args...)
	b.ReportMetric(r.Hub.PerDelivery, "µs/delivery")
	b.ReportMetric(r.Latency.P50, "p50-ms")
	b.ReportMetric(r.Latency.P99, "p99-ms")
	b.ReportMetric(r.Delivered.faults(), "faults")
}

// BenchmarkSaturated measures the maximum rate of deliveries: 1,000 subscribers of a topic, and 16 publishers that wait only for their answers
// and for subscribers that are far behind.
func BenchmarkSaturated(b *testing.B) { saturated(b, contestants) }

// BenchmarkSecureSaturated is BenchmarkSaturated over TLS.
func BenchmarkSecureSaturated(b *testing.B) { saturated(b, secured) }

func saturated(b *testing.B, some []contestant) {
	for _, batch := range []string{"1", "10"} {
		takesPart := func(c contestant) bool { return batch == "1" || c.batches != "" }
		run(b, some, "batch="+batch, takesPart, func(b *testing.B, h *hub) {
			args := []string{"--subscribers", "1000", "--publishers", "16", "--rate", "0", "--batch", batch}
			if batch != "1" && h.batches != ndjson {
				args = append(args, "--data", h.batches)
			}
			r := h.load(b, args...)
			b.ReportMetric(r.Delivered.PerSecond, "deliveries/s")
			b.ReportMetric(r.Delivered.faults(), "faults")
		})
	}
}

// idle are the numbers of connections with which memory is measured. A process may have about 20,000 open files.
var idle = [2]int{2000, 18000}

// BenchmarkIdle measures the cost of an idle subscriber: its memory, as the slope between few and many subscribers, and the CPU time of an
// idle hub. Memory is read when it has not fallen for 3 seconds, or after 10 seconds, see internal/load.
func BenchmarkIdle(b *testing.B) {
	for _, c := range contestants {
		b.Run("connection=plain/by="+c.name, func(b *testing.B) { c.idle(b) })
		if strings.HasPrefix(c.name, "tidings") {
			b.Run("connection=http2/by="+c.name, func(b *testing.B) { c.idle(b, "--http2", "100") })
		}
	}
	for _, c := range secured {
		b.Run("connection=tls/by="+c.name, func(b *testing.B) { c.idle(b) })
		if speaksHTTP2(c) {
			b.Run("connection=tls-http2/by="+c.name, func(b *testing.B) { c.idle(b, "--http2", "100") })
		}
	}
}

func (c contestant) idle(b *testing.B, args ...string) {
	var memory [2]float64
	for i, n := range idle {
		h := c.start(b)
		if h == nil {
			return
		}
		r := h.load(b, append(args, "--subscribers", fmt.Sprint(n), "--publishers", "0", "--topics", "100")...)
		if int(r.Subscribers.Connected) != n {
			b.Fatalf("%.0f of %d subscribers were connected", r.Subscribers.Connected, n)
		}
		memory[i] = r.Hub.Idle
		if i > 0 {
			b.ReportMetric(r.Subscribers.PerSecond, "connects/s")
			b.ReportMetric(r.Hub.Percent, "%CPU")
		}
	}
	b.ReportMetric((memory[1]-memory[0])/float64(idle[1]-idle[0])/1000, "KB/subscriber")
}

// BenchmarkReturning measures how long 10,000 clients that reconnect at once, with 100 missed events each, take to be live again, and how that
// delays 1,000 other subscribers.
func BenchmarkReturning(b *testing.B) {
	run(b, contestants, "clients=10000", among("tidings-memory", "tidings", "nchan"), func(b *testing.B, h *hub) {
		args := []string{"--subscribers", "1000", "--topics", "50", "--rate", "50", "--returning", "10000", "--missed", "100"}
		r := h.load(b, args...)
		b.ReportMetric(r.Back.Seconds, "s")
		b.ReportMetric(r.Back.Live, "live")
		b.ReportMetric(r.Latency.P50, "p50-ms")
		b.ReportMetric(r.Latency.P99, "p99-ms")
		b.ReportMetric(r.Delivered.faults()+r.Back.faults(), "faults")
	})
}

// BenchmarkTopics measures whether the number of other topics matters: one subscriber per topic over HTTP/2, and 100 events per second.
func BenchmarkTopics(b *testing.B) {
	for _, topics := range []string{"100", "100000"} {
		run(b, contestants, "topics="+topics, among("tidings-memory", "tidings"), func(b *testing.B, h *hub) {
			r := h.load(b, "--subscribers", topics, "--topics", topics, "--http2", "100", "--rate", "100")
			b.ReportMetric(r.Published.Answers.P50, "answer-p50-ms")
			b.ReportMetric(r.Latency.P50, "p50-ms")
			b.ReportMetric(r.Latency.P99, "p99-ms")
			b.ReportMetric(r.Delivered.faults(), "faults")
		})
	}
}
