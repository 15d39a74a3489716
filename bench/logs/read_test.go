package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// records is the number of records in the log; EVENTS sets a smaller one for a quick run.
var records = func() int {
	if n, err := strconv.Atoi(os.Getenv("EVENTS")); err == nil {
		return n
	}
	return 10_000_000
}()

// big has the directories of a full log and of a Pebble store with the same data, which are created once.
var big = sync.OnceValues(func() (dirs struct{ tidings, pebble string }, err error) {
	if dirs.tidings, err = os.MkdirTemp("", "tidings-bench-"); err != nil {
		return dirs, err
	}
	dirs.pebble = dirs.tidings + "/pebble"
	dirs.tidings += "/tidings"
	t, err := openTidings(dirs.tidings, nil)
	if err != nil {
		return dirs, err
	}
	p, err := openPebble(dirs.pebble)
	if err != nil {
		return dirs, err
	}
	batch := make([]eventlog.Record, 0, 1000)
	for i := range records {
		topic := fmt.Sprintf("others/%d", i*7919%10_000)
		if i%(records/100) == records/200 {
			topic = "wanted"
		}
		if batch = append(batch, eventlog.Record{Topics: []string{topic}, Data: payload}); len(batch) < cap(batch) {
			continue
		}
		if _, err := t.Append(context.Background(), batch); err != nil {
			return dirs, err
		}
		if err := p.append("", len(batch)); err != nil {
			return dirs, err
		}
		batch = batch[:0]
	}
	if err := t.Close(); err != nil {
		return dirs, err
	}
	return dirs, p.Close()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if isMade {
		if dirs, err := big(); err == nil {
			_ = os.RemoveAll(filepath.Dir(dirs.tidings))
		}
	}
	os.Exit(code)
}

// isMade reports whether the directories exist, so that TestMain does not create them only to remove them.
var isMade bool

func dirs(b *testing.B) struct{ tidings, pebble string } {
	b.Helper()
	isMade = true
	d, err := big()
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func BenchmarkOpen(b *testing.B) {
	d := dirs(b)
	for _, c := range []struct {
		name, dir string
		open      func(string) (store, error)
	}{{"pebble", d.pebble, openPebble}, {"tidings", d.tidings, contestants[1].open}} {
		b.Run("what=open/by="+c.name, func(b *testing.B) {
			for b.Loop() {
				s, err := c.open(c.dir)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	d := dirs(b)
	t, err := openTidings(d.tidings, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	s, err := openPebble(d.pebble)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	p := s.(*bare)
	head := t.Head()
	read := func(q eventlog.Query, want int) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				a, err := t.Read(b.Context(), q)
				if err != nil || len(a.Records) != want {
					b.Fatalf("%d records, %v, want %d", len(a.Records), err, want)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs")
		}
	}
	b.Run("what=hundred-of-a-topic/by=pebble", func(b *testing.B) {
		for b.Loop() {
			for i := range 100 {
				value, closer, err := p.Get(numberKey(uint64(i*(records/100) + records/200 + 1)))
				if err != nil || len(value) != len(payload) {
					b.Fatal(err)
				}
				_ = closer.Close()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs")
	})
	b.Run("what=hundred-of-a-topic/by=tidings", read(eventlog.Query{Selector: eventlog.Topics("wanted")}, 100))
	b.Run("what=hundred-by-pattern/by=tidings",
		read(eventlog.Query{Selector: eventlog.Select(nil, eventlog.MustPattern("wanted/**"))}, 100))
	b.Run("what=up-to-date/by=tidings", func(b *testing.B) {
		q := eventlog.Query{Selector: eventlog.Topics("wanted"), After: head}
		if err := t.append("another", 1000); err != nil {
			b.Fatal(err)
		}
		read(q, 0)(b)
	})
	b.Run("what=find-last-50/by=tidings", func(b *testing.B) {
		sel := eventlog.Topics("wanted", "others/17")
		for b.Loop() {
			if _, err := t.Seek(b.Context(), sel, eventlog.Start{Last: 50}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs")
	})
	b.Run("what=find-a-time/by=tidings", func(b *testing.B) {
		a, err := t.Read(b.Context(), eventlog.Query{
			Selector: eventlog.Everything(), After: eventlog.Position{Gen: head.Gen, Seq: uint64(records / 3)}, Limit: 1,
		})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := t.Seek(b.Context(), eventlog.Everything(), eventlog.Start{Since: a.Records[0].Time}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs")
	})
}

// BenchmarkScan reads all records in order.
func BenchmarkScan(b *testing.B) {
	d := dirs(b)
	b.Run("what=everything/by=pebble", func(b *testing.B) {
		s, err := openPebble(d.pebble)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		it, err := s.(*bare).NewIter(nil)
		if err != nil {
			b.Fatal(err)
		}
		defer it.Close()
		it.First()
		for b.Loop() {
			data := string(it.Value()) // copied, because the value is valid only until the next step
			if len(data) != len(payload) {
				b.Fatal("something else")
			}
			if !it.Next() {
				it.First()
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("what=everything/by=tidings", func(b *testing.B) {
		t, err := openTidings(d.tidings, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer t.Close()
		q := eventlog.Query{Selector: eventlog.Everything()}
		var a eventlog.Answer
		for b.Loop() {
			if len(a.Records) == 0 {
				if a, err = t.Read(b.Context(), q); err != nil {
					b.Fatal(err)
				}
				if q.After = a.Complete; q.After == t.Head() {
					q.After = eventlog.Position{}
				}
			}
			if len(a.Records[0].Data) != len(payload) {
				b.Fatal("something else")
			}
			a.Records = a.Records[1:]
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}
