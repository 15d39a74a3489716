package logs

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

func BenchmarkTopics(b *testing.B) {
	for _, topics := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("topics=%d/by=tidings", topics), func(b *testing.B) {
			for range b.N {
				before := heap()
				t, err := openTidings(b.TempDir(), nil)
				if err != nil {
					b.Fatal(err)
				}
				batch := make([]eventlog.Record, 100)
				for i := 0; i < topics; i += len(batch) {
					for j := range batch {
						batch[j] = eventlog.Record{Topics: []string{fmt.Sprintf("customers/%08d/orders", i+j)}, Data: payload}
					}
					if _, err := t.Append(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric((heap()-before)/1e6, "MB")
				b.ReportMetric(float64(topics)/b.Elapsed().Seconds(), "topics/s")
				if err := t.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
