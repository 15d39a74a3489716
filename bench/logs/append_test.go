package logs

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// appendAll appends b.N batches from several goroutines, each to its own topic, and reports the rate.
func appendAll(b *testing.B, s store, appenders, batch int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range appenders {
		wg.Go(func() {
			topic := fmt.Sprintf("topic/%d", i)
			for left.Add(-1) >= 0 {
				if err := s.append(topic, batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 8, 64, 256} {
		for _, c := range contestants {
			b.Run(fmt.Sprintf("appenders=%d/by=%s", appenders, c.name), func(b *testing.B) {
				s, err := c.open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				appendAll(b, s, appenders, 1)
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, batch := range []int{10, 100, 1000} {
		for _, c := range contestants {
			b.Run(fmt.Sprintf("batch=%d/by=%s", batch, c.name), func(b *testing.B) {
				s, err := c.open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				appendAll(b, s, 16, batch)
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func BenchmarkTrim(b *testing.B) {
	every := eventlog.MustPattern("**")
	for _, batch := range []int{1, 100} {
		for _, c := range []struct {
			name string
			keep *eventlog.Retention
		}{
			{"nothing-trimmed", &eventlog.Retention{Bytes: -1}},
			{"keep-events", &eventlog.Retention{Bytes: -1, Events: 20_000}},
			{"keep-count", &eventlog.Retention{Bytes: -1, Rules: []eventlog.Rule{{Pattern: every, Count: 100}}}},
			{"latest", &eventlog.Retention{Bytes: -1, Rules: []eventlog.Rule{{Pattern: every, Latest: 1}}}},
		} {
			b.Run(fmt.Sprintf("batch=%d/by=%s", batch, c.name), func(b *testing.B) {
				s, err := openTidings(b.TempDir(), c.keep)
				if err != nil {
					b.Fatal(err)
				}
				appendAll(b, s, 64, batch)
				b.StopTimer()
				b.ReportMetric(float64(s.Bounds().Events), "left")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
