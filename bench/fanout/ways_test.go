package fanout

import (
	"strconv"
	"testing"
)

// ways are the ways to reach Tidings that share nothing, or a connection for 100 streams.
var ways = []struct {
	name string
	contestant
	flags []string
}{
	{"plain", inMemory, nil},
	{"http2", inMemory, []string{"--http2", "100"}},
	{"http2-tls", secureMemory, []string{"--http2", "100"}},
}

var (
	inMemory     = contestant{"tidings-memory", func(b *testing.B, port int) []string { return tidings(b, port, "--memory") }, tidingsFlags, ndjson, 0}
	secureMemory = contestant{"tidings-memory", tidingsTLS, tidingsTLSFlags, ndjson, 0}
)

func eachWay(b *testing.B, f func(b *testing.B, c contestant, flags []string)) {
	for _, way := range ways {
		b.Run("way="+way.name+"/by="+way.contestant.name, func(b *testing.B) { f(b, way.contestant, way.flags) })
	}
}

// BenchmarkWays asks what a delivery costs when 100 subscribers share a connection: 1,000 subscribers, 50 events a second.
func BenchmarkWays(b *testing.B) {
	eachWay(b, func(b *testing.B, c contestant, flags []string) {
		c.start(b).steady(b, append(flags, "--subscribers", "1000", "--rate", "50")...)
	})
}

// BenchmarkWaysSaturated asks how many deliveries are possible: 1,000 subscribers, and 16 publishers with 10 events in a request.
func BenchmarkWaysSaturated(b *testing.B) {
	eachWay(b, func(b *testing.B, c contestant, flags []string) {
		r := c.start(b).load(b, append(flags, "--subscribers", "1000", "--publishers", "16", "--rate", "0", "--batch", "10")...)
		b.ReportMetric(r.Delivered.PerSecond/1e6, "M/s")
		b.ReportMetric(r.Hub.PerDelivery, "µs/delivery")
		b.ReportMetric(r.Delivered.faults(), "faults")
	})
}

// BenchmarkGather asks what the latency of --gather buys: CPU for each delivery to 1,000 subscribers over HTTP/1.1.
func BenchmarkGather(b *testing.B) {
	for _, rate := range []int{200, 1000} {
		for _, wait := range []string{"0s", "1ms", "5ms", "20ms"} {
			b.Run("rate="+strconv.Itoa(rate)+"/by="+wait, func(b *testing.B) {
				c := inMemory
				c.command = func(b *testing.B, port int) []string { return tidings(b, port, "--memory", "--gather", wait) }
				c.start(b).steady(b, "--subscribers", "1000", "--rate", strconv.Itoa(rate), "--publishers", "4")
			})
		}
	}
}

// BenchmarkScale asks what a hub with very many streams needs: its memory for each, and the CPU time of one event to all. With 250 streams a
// connection, the limit of the hub, a million streams need 4,000 connections.
func BenchmarkScale(b *testing.B) {
	for _, streams := range []string{"100000", "500000", "1000000"} {
		b.Run("streams="+streams+"/by=http2", func(b *testing.B) {
			c := inMemory
			c.command = func(b *testing.B, port int) []string {
				return tidings(b, port, "--memory", "--max-connections", streams)
			}
			h := c.start(b)
			r := h.load(b, "--subscribers", streams, "--http2", "250", "--publishers", "1", "--rate", "1")
			if strconv.Itoa(int(r.Subscribers.Connected)) != streams {
				b.Fatalf("%.0f of %s subscribers were connected", r.Subscribers.Connected, streams)
			}
			b.ReportMetric(r.Hub.Idle/1e6, "MB")
			b.ReportMetric(r.Hub.PerDelivery, "µs/delivery")
			b.ReportMetric(r.Latency.P50, "p50-ms")
			b.ReportMetric(r.Latency.P99, "p99-ms")
			b.ReportMetric(r.Subscribers.PerSecond, "connects/s")
			b.ReportMetric(r.Delivered.faults(), "faults")
		})
	}
}
