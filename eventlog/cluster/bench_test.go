package cluster_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// BenchmarkAppend answers what the cluster costs a record beside the log in memory, which is also the mirror: encoding, gathering, the way
// through an order in memory, decoding, and the mirror's place. One appender pays for the whole way of each message; many share messages.
func BenchmarkAppend(b *testing.B) {
	data := strings.Repeat("x", 200)
	for _, shape := range []struct{ appenders, batch int }{{1, 1}, {64, 1}, {16, 100}} {
		for _, by := range []string{"memory", "cluster"} {
			b.Run(fmt.Sprintf("appenders=%d/batch=%d/by=%s", shape.appenders, shape.batch, by), func(b *testing.B) {
				log := benchLog(b, by == "cluster")
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N)) // records, so that ns/op is the time of one
				var appenders sync.WaitGroup
				for i := range shape.appenders {
					records := make([]eventlog.Record, shape.batch)
					for j := range records {
						records[j] = eventlog.Record{Topics: []string{fmt.Sprint("topic/", i)}, Data: data}
					}
					appenders.Go(func() {
						for left.Add(-int64(shape.batch)) > -int64(shape.batch) {
							if _, err := log.Append(b.Context(), records); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				appenders.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// benchLog opens a log in memory, alone or as the mirror of a cluster of one hub.
func benchLog(b *testing.B, clustered bool) eventlog.Log {
	retention := &eventlog.Retention{Events: 100_000}
	memory, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: clustered, Retention: retention})
	if err != nil {
		b.Fatal(err)
	}
	var log eventlog.Log = memory
	if clustered {
		shared, err := cluster.Open(memory, ordertest.NewMemory(0).Handle(), &cluster.Options{Retention: retention, Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		if err := shared.Join(b.Context()); err != nil {
			b.Fatal(err)
		}
		log = shared
	}
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	})
	return log
}
