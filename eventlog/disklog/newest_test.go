package disklog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

// openNew opens a log in a temporary directory for the duration of the test.
func openNew(t *testing.T) *Log {
	t.Helper()
	l, err := Open(t.TempDir(), nil)
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

// TestNewestRecordsComeFromMemory: they equal the records from disk, and memory is limited.
func TestNewestRecordsComeFromMemory(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	appendOne := func(name, data string) {
		t.Helper()
		r := eventlog.Record{
			Topics: []string{"news", "all"}, Type: "note", Data: data, Key: "key " + name, ID: "id " + name,
			Retry: 1500 * time.Millisecond, ContentType: "text/plain",
		}
		if _, err := l.Append(t.Context(), []eventlog.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	recent := func(after uint64) ([]eventlog.Record, bool) {
		q := eventlog.Query{Selector: eventlog.Everything(), After: eventlog.Position{Gen: l.Head().Gen, Seq: after}}.WithDefaults()
		a, ok := l.store.recent(&q, l.Head())
		return a.Records, ok
	}
	const n = 100
	for i := range n {
		appendOne(fmt.Sprint(i), "small")
	}
	fast, ok := recent(n / 2)
	if !ok || len(fast) != n/2 {
		t.Fatalf("%d records from memory, %v", len(fast), ok)
	}
	l.store.newest.forget()
	slow, err := l.Read(t.Context(), eventlog.Query{Selector: eventlog.Everything(), After: eventlog.Position{Gen: l.Head().Gen, Seq: n / 2}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slow.Records, fast); diff != "" {
		t.Errorf("from disk (-) and from memory (+):\n%s", diff)
	}
	if _, ok := recent(n / 2); ok {
		t.Error("a forgotten record is still in memory")
	}
	appendOne("more", "small")
	if fast, ok := recent(n); !ok || len(fast) != 1 {
		t.Errorf("after that %d records from memory, %v", len(fast), ok)
	}
	large := strings.Repeat("x", newestBytes/4)
	for i := range 8 {
		appendOne(fmt.Sprint("large ", i), large)
	}
	if _, ok := recent(n + 1); ok || l.store.newest.bytes > newestBytes {
		t.Errorf("%d bytes are kept", l.store.newest.bytes)
	}
}

// TestNewestRecordsTakeLimitedMemory: the limit holds even if most records are duplicates.
func TestNewestRecordsTakeLimitedMemory(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	batch := make([]eventlog.Record, 1000)
	for i := range batch {
		batch[i] = eventlog.Record{Topics: []string{"a"}, Data: "x", Key: fmt.Sprint(i)}
	}
	for i := range 10 {
		batch[0].Key = fmt.Sprint("new ", i)
		if _, err := l.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	for _, records := range l.store.newest.commits {
		if cap(records) > 2*len(records) {
			t.Errorf("%d records have room for %d", len(records), cap(records))
		}
	}
}
