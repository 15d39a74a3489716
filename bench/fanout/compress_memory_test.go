package fanout

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// many are numbers of subscribers. The memory of one is the slope of a line through all of them.
var many = []int{2000, 5000, 10_000, 15_000}

// BenchmarkCompressMemory asks whether a subscriber takes more memory if its stream is compressed. With GOGC=10 a hub has little garbage.
func BenchmarkCompressMemory(b *testing.B) {
	b.Setenv("GOGC", "10")
	for _, c := range compressors {
		if c.name == "each" {
			continue // 0.8 MB each: see BenchmarkCompress
		}
		b.Run("memory=resident/by="+c.name, func(b *testing.B) {
			h := c.start(b)
			if h == nil {
				return
			}
			resident, heap := h.growing(b)
			b.ReportMetric(resident/1000, "KB/subscriber")
			b.ReportMetric(heap/1000, "heap-KB/subscriber")
		})
	}
}

// growing lets subscribers join, some of which have missed events, and returns how many bytes the hub grows by for each of them.
func (h *hub) growing(b *testing.B) (resident, heap float64) {
	r := rand.New(rand.NewPCG(1, 1))
	var rss, live []float64
	joined, delivered := 0, 0.0
	for _, n := range many {
		for ; joined < n; joined++ {
			conn := h.subscribe(b)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
		for h.metric(b, "tidings_streams{") < float64(n) {
			time.Sleep(10 * time.Millisecond)
		}
		for range 10 { // events, after which all are in step
			h.publish(b, tick(r, n))
			for delivered += float64(n); h.metric(b, "tidings_events_delivered_total") < delivered; {
				time.Sleep(10 * time.Millisecond)
			}
		}
		least := h.metric(b, "go_memstats_heap_alloc_bytes")
		for range 100 { // with collections of garbage among them
			least = min(least, h.metric(b, "go_memstats_heap_alloc_bytes"))
		}
		rss, live = append(rss, h.resident(b)), append(live, least)
		b.Logf("%d subscribers: %.1f MB resident, %.1f MB of heap", n, rss[len(rss)-1]/1e6, least/1e6)
	}
	return slope(many, rss), slope(many, live)
}

// slope returns the slope of the line through some points with the least squares.
func slope(xs []int, ys []float64) float64 {
	var x, y, xx, xy float64
	for i := range xs {
		at := float64(xs[i])
		x, y, xx, xy = x+at, y+ys[i], xx+at*at, xy+at*ys[i]
	}
	n := float64(len(xs))
	return (n*xy - x*y) / (n*xx - x*x)
}

// metric returns the sum of the metrics of the hub whose lines begin so, 0 if there are none.
func (h *hub) metric(b *testing.B, name string) (sum float64) {
	resp, err := http.Get("http://" + h.addr() + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), name) {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += value
	}
	return sum
}

// resident returns the memory of the hub in bytes.
func (h *hub) resident(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/" + h.pids[0] + "/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return float64(pages * os.Getpagesize())
}
