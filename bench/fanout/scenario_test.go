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

// report is what we read of what tidings bench says.
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

// load puts the hub under load for -benchtime, from the other core. What the hub did wrong is a figure like all others.
func (h *hub) load(b *testing.B, args ...string) (r report) {
	b.Helper()
	command := []string{"-c", loadCore, program(b, tidingsProgram), "bench", "--json", "--duration", flag.Lookup("test.benchtime").Value.String()}
	command = append(append(command, h.flags(h.port)...), "--pid", strings.Join(h.pids, ","))
	var out, complaint bytes.Buffer
	cmd := exec.Command("taskset", append(command, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	const faulty = 3
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != faulty {
		b.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, &complaint)
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		b.Fatalf("%v in %s", err, &out)
	}
	return r
}

// BenchmarkSteady answers what a delivery costs when each event is written for itself.
func BenchmarkSteady(b *testing.B) {
	for _, load := range []struct{ name, subscribers, rate string }{{"1000x50", "1000", "50"}, {"10000x10", "10000", "10"}} {
		run(b, "load="+load.name, everybody, func(b *testing.B, h *hub) {
			r := h.load(b, "-n", load.subscribers, "--rate", load.rate)
			b.ReportMetric(r.Hub.PerDelivery, "µs/delivery")
			b.ReportMetric(r.Latency.P50, "p50-ms")
			b.ReportMetric(r.Latency.P99, "p99-ms")
			b.ReportMetric(r.Delivered.faults(), "faults")
		})
	}
}

// BenchmarkSaturated answers how much a hub delivers at the most: 1,000 subscribers of a topic, 16 publishers that wait for nothing
// but their answers, or for subscribers that are far behind.
func BenchmarkSaturated(b *testing.B) {
	for _, batch := range []string{"1", "10"} {
		takesPart := func(c contestant) bool { return batch == "1" || c.batches != "" }
		run(b, "batch="+batch, takesPart, func(b *testing.B, h *hub) {
			args := []string{"-n", "1000", "-p", "16", "--rate", "0", "--batch", batch}
			if batch != "1" && h.batches != ndjson {
				args = append(args, "--body", h.batches)
			}
			r := h.load(b, args...)
			b.ReportMetric(r.Delivered.PerSecond, "deliveries/s")
			b.ReportMetric(r.Delivered.faults(), "faults")
		})
	}
}

// idle is how many connections memory is measured with. A process may have some 20,000 files.
var idle = [2]int{2000, 18000}

// BenchmarkIdle answers what a subscriber costs that gets nothing: memory, as the slope from few to many, when it has not
// fallen for 3 seconds (or after 10, see internal/load), and the CPU of a hub that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	for _, c := range contestants {
		b.Run("connection=plain/by="+c.name, func(b *testing.B) { c.idle(b) })
		if strings.HasPrefix(c.name, "tidings") {
			b.Run("connection=http2/by="+c.name, func(b *testing.B) { c.idle(b, "--http2", "100") })
		}
		if c.name == "tidings-memory" {
			c.command, c.flags = tidingsTLS, tidingsTLSFlags
			b.Run("connection=tls/by="+c.name, func(b *testing.B) { c.idle(b) })
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
		r := h.load(b, append(args, "-n", fmt.Sprint(n), "--publishers", "0", "--topics", "100")...)
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

// BenchmarkReturning answers how long it takes until 10,000 clients that come back at once, with 100 missed events each, are live
// again, and what 1,000 others notice of it.
func BenchmarkReturning(b *testing.B) {
	run(b, "clients=10000", among("tidings-memory", "tidings", "nchan"), func(b *testing.B, h *hub) {
		args := []string{"-n", "1000", "--topics", "50", "--rate", "50", "--returning", "10000", "--missed", "100"}
		r := h.load(b, args...)
		b.ReportMetric(r.Back.Seconds, "s")
		b.ReportMetric(r.Back.Live, "live")
		b.ReportMetric(r.Latency.P50, "p50-ms")
		b.ReportMetric(r.Latency.P99, "p99-ms")
		b.ReportMetric(r.Delivered.faults()+r.Back.faults(), "faults")
	})
}

// BenchmarkTopics answers whether it matters how many other topics there are: one subscriber each, by HTTP/2, an event for 100 of
// them a second.
func BenchmarkTopics(b *testing.B) {
	for _, topics := range []string{"100", "100000"} {
		run(b, "topics="+topics, among("tidings-memory", "tidings"), func(b *testing.B, h *hub) {
			r := h.load(b, "-n", topics, "--topics", topics, "--http2", "100", "--rate", "100")
			b.ReportMetric(r.Published.Answers.P50, "answer-p50-ms")
			b.ReportMetric(r.Latency.P50, "p50-ms")
			b.ReportMetric(r.Latency.P99, "p99-ms")
			b.ReportMetric(r.Delivered.faults(), "faults")
		})
	}
}
