package logs_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

var payload = strings.Repeat("x", 200)

func BenchmarkAppend64(b *testing.B) {
	b.Run("disklog", func(b *testing.B) {
		l, err := disklog.Open(b.TempDir(), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		var n atomic.Int64
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			topic := fmt.Sprintf("topic/%d", n.Add(1))
			for pb.Next() {
				if _, err := l.Append(context.Background(), []eventlog.Record{{Topics: []string{topic}, Data: payload}}); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("pebble", func(b *testing.B) {
		db, err := pebble.Open(b.TempDir(), &pebble.Options{MemTableSize: 64 << 20, Logger: quiet{}})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		var n atomic.Uint64
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			key := make([]byte, 9)
			for pb.Next() {
				binary.BigEndian.PutUint64(key[1:], n.Add(1))
				if err := db.Set(key, []byte(payload), pebble.Sync); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

func BenchmarkTrim(b *testing.B) {
	for name, r := range map[string]*eventlog.Retention{
		"none":   {Bytes: -1},
		"events": {Bytes: -1, Events: 50_000},
		"count":  {Bytes: -1, Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Count: 100}}},
		"latest": {Bytes: -1, Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Latest: 1}}},
	} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", name, batch), func(b *testing.B) {
				l, err := disklog.Open(b.TempDir(), &disklog.Options{Retention: r})
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				var n atomic.Int64
				b.SetParallelism(32)
				b.RunParallel(func(pb *testing.PB) {
					topic := fmt.Sprintf("topic/%d", n.Add(1))
					records := make([]eventlog.Record, batch)
					for i := range records {
						records[i] = eventlog.Record{Topics: []string{topic}, Data: payload}
					}
					for pb.Next() {
						if _, err := l.Append(context.Background(), records); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(l.Bounds().Events), "left")
			})
		}
	}
}

func BenchmarkBatch100(b *testing.B) {
	b.Run("disklog", func(b *testing.B) {
		l, err := disklog.Open(b.TempDir(), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		var n atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			topic := fmt.Sprintf("topic/%d", n.Add(1))
			records := make([]eventlog.Record, 100)
			for i := range records {
				records[i] = eventlog.Record{Topics: []string{topic}, Data: payload}
			}
			for pb.Next() {
				if _, err := l.Append(context.Background(), records); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(100*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
