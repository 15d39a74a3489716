package disklog_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// countingFS counts reads.
type countingFS struct {
	vfs.FS
	reads atomic.Int64
}

func (c *countingFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return &countingFile{f, &c.reads}, nil
}

type countingFile struct {
	vfs.File
	reads *atomic.Int64
}

func (f *countingFile) Read(p []byte) (int, error) {
	f.reads.Add(1)
	return f.File.Read(p)
}

func (f *countingFile) ReadAt(p []byte, off int64) (int, error) {
	f.reads.Add(1)
	return f.File.ReadAt(p, off)
}

func mustAppend(t testing.TB, l eventlog.Log, records ...eventlog.Record) []eventlog.Receipt {
	t.Helper()
	receipts, err := l.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

func mustOpen(t testing.TB, dir string, o *disklog.Options) *disklog.Log {
	t.Helper()
	l, err := disklog.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func mustRead(t testing.TB, l eventlog.Log, q eventlog.Query) eventlog.Answer {
	t.Helper()
	answer, err := l.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestUpToDateReaderCostsNoIO(t *testing.T) {
	fs := &countingFS{FS: vfs.NewMem()}
	o := &disklog.Options{Cache: 1}
	o.SetFS(fs)
	l, err := disklog.Open("log", o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		mustAppend(t, l, eventlog.Record{Topics: []string{fmt.Sprintf("others/%d", i%50)}, Data: fmt.Sprint(i)})
	}
	mustAppend(t, l, eventlog.Record{Topics: []string{"mine"}, Data: "mine"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, "log", o) // Open has moved the records from memory to files

	q := eventlog.Query{Selector: eventlog.Topics("mine"), After: l.Head()}
	mustRead(t, l, eventlog.Query{Selector: eventlog.Everything()})
	if fs.reads.Load() == 0 {
		t.Fatal("reading all records caused no read of a file: the counter does not work")
	}
	for i := range 100 {
		mustAppend(t, l, eventlog.Record{Topics: []string{"another"}, Data: fmt.Sprint(i)})
		fs.reads.Store(0)
		answer := mustRead(t, l, q)
		if n := fs.reads.Load(); n != 0 || len(answer.Records) != 0 || answer.Complete != l.Head() {
			t.Fatalf("%d reads, %d records, complete up to %v; want 0, 0, %v", n, len(answer.Records), answer.Complete, l.Head())
		}
		q.After = answer.Complete
	}
	if n := testing.AllocsPerRun(100, func() { mustRead(t, l, q) }); n > 2 {
		t.Errorf("%v allocations, want at most 2", n)
	}
}

// TestReplayByManyPatternsTakesFewPages: with 20,000 patterns, an event must not take a page and a sort of its own.
func TestReplayByManyPatternsTakesFewPages(t *testing.T) {
	t.Parallel()
	const events, patterns = 5000, 20_000
	records := make([]eventlog.Record, events)
	for i := range records {
		records[i] = eventlog.Record{Topics: []string{fmt.Sprintf("device/%d/state", i)}}
	}
	matchers := make([]eventlog.Matcher, patterns)
	for i := range matchers {
		matchers[i] = eventlog.MustPattern(fmt.Sprintf("device/%d/*", 2*i))
	}
	memory, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]eventlog.Log{"disk": mustOpen(t, t.TempDir(), nil), "memory": memory} {
		mustAppend(t, log, records...)
		pages, found := 0, 0
		for q := (eventlog.Query{Selector: eventlog.Select(nil, matchers...)}); q.After != log.Head(); pages++ {
			if pages == 20 {
				t.Fatalf("%s: after 20 pages a reader is at %v of %d events", name, q.After, events)
			}
			answer := mustRead(t, log, q)
			found += len(answer.Records)
			q.After = answer.Complete
		}
		if found != events/2 {
			t.Errorf("%s: %d events, want %d", name, found, events/2)
		}
	}
}
