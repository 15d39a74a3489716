package logs_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// fill appends n events of size bytes of data to 10,000 topics, and 100 to the topic "wanted", spread evenly.
func fill(b *testing.B, l *disklog.Log, n, size int) {
	b.Helper()
	data := strings.Repeat("x", size)
	records := make([]eventlog.Record, 0, 1000)
	for i := range n {
		topic := fmt.Sprintf("others/%d", i*7919%10_000)
		if i%(n/100) == n/200 {
			topic = "wanted"
		}
		records = append(records, eventlog.Record{Topics: []string{topic}, Data: data})
		if len(records) == cap(records) {
			if _, err := l.Append(context.Background(), records); err != nil {
				b.Fatal(err)
			}
			records = records[:0]
		}
	}
}

func BenchmarkBig(b *testing.B) {
	n := 10_000_000
	if v, err := strconv.Atoi(os.Getenv("EVENTS")); err == nil {
		n = v
	}
	dir := b.TempDir()
	o := &disklog.Options{Retention: &eventlog.Retention{Bytes: -1}}
	l, err := disklog.Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, l, n, 100)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			l, err := disklog.Open(dir, o)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			l.Close()
			b.StartTimer()
		}
	})
	if l, err = disklog.Open(dir, o); err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ctx := context.Background()
	b.Run("topic of 100", func(b *testing.B) {
		for b.Loop() {
			a, err := l.Read(ctx, eventlog.Query{Selector: eventlog.Topics("wanted")})
			if err != nil || len(a.Records) != 100 {
				b.Fatal(len(a.Records), err)
			}
		}
	})
	b.Run("pattern of 100", func(b *testing.B) {
		for b.Loop() {
			q := eventlog.Query{Selector: eventlog.Select(nil, eventlog.MustPattern("want*"[:4]+"ed/**"))}
			a, err := l.Read(ctx, q)
			if err != nil || len(a.Records) != 100 {
				b.Fatal(len(a.Records), err)
			}
		}
	})
	b.Run("up to date", func(b *testing.B) {
		b.ReportAllocs()
		q := eventlog.Query{Selector: eventlog.Topics("wanted"), After: l.Head()}
		for b.Loop() {
			if _, err := l.Read(ctx, q); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sequential", func(b *testing.B) {
		q := eventlog.Query{Selector: eventlog.Everything()}
		b.ReportAllocs()
		for b.Loop() {
			a, err := l.Read(ctx, q)
			if err != nil {
				b.Fatal(err)
			}
			if q.After = a.Complete; q.After == l.Head() {
				q.After = eventlog.Position{}
			}
		}
		b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("last 50", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Seek(ctx, eventlog.Topics("wanted", "others/17"), eventlog.Start{Last: 50}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("since", func(b *testing.B) {
		a, err := l.Read(ctx, eventlog.Query{Selector: eventlog.Everything(), After: eventlog.Position{Gen: l.Head().Gen, Seq: uint64(n / 3)}, Limit: 1})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := l.Seek(ctx, eventlog.Everything(), eventlog.Start{Since: a.Records[0].Time}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
