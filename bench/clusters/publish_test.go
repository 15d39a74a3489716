package clusters_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/bench/clusters"
)

// BenchmarkPublish asks how many records a second are acknowledged when publishers of three hubs wait for each answer. cpu-us/record is the
// processor time of the whole process, which a busy machine falsifies less than the rate.
func BenchmarkPublish(b *testing.B) {
	for _, records := range []int{1, 100} {
		for _, publishers := range []int{1, 64} {
			b.Run(fmt.Sprintf("records=%d/publishers=%d", records, publishers), func(b *testing.B) {
				ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
				defer cancel()
				servers, err := clusters.Start(ctx, b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				defer func() {
					if err := servers.Close(); err != nil {
						b.Error(err)
					}
				}()
				for _, c := range clusters.Contestants {
					b.Run("by="+c.Name, func(b *testing.B) {
						var by [len(clusters.Servers{})]clusters.Publisher
						for i := range by {
							if by[i], err = c.Open(b.Context(), servers, i); err != nil {
								b.Fatal(err)
							}
							defer func() {
								if err := by[i].Close(); err != nil {
									b.Error(err)
								}
							}()
						}
						publishAll(b, by[:], publishers, records)
					})
				}
			})
		}
	}
}

// publishAll publishes b.N messages in all, with the given number of publishers.
func publishAll(b *testing.B, by []clusters.Publisher, publishers, records int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	began := processorTime(b)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := by[i%len(by)].Publish(b.Context(), records); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	n := float64(b.N * records)
	b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64((processorTime(b)-began).Microseconds())/n, "cpu-us/record")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
