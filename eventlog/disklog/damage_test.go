package disklog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestADamagedBlockIsAGapAndTheRestIsRead: one row that could not be read answered an error to everybody who had to cross it, in a hub that
// people run. Here it is a gap, once, with its extent, and a problem to tidings log check.
func TestADamagedBlockIsAGapAndTheRestIsRead(t *testing.T) {
	dir := t.TempDir()
	o := &disklog.Options{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**")}}}, Logger: slog.New(slog.DiscardHandler)}
	l, err := disklog.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	const records = 5000
	batch := make([]eventlog.Record, 100)
	for i := range records {
		batch[i%100] = eventlog.Record{Topics: []string{"a"}, Data: fmt.Sprintf("%064d", i*7919)}
		if i%100 == 99 {
			mustAppend(t, l, batch...)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = disklog.Open(dir, o) // writes what is in the log file into a table
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no table, %v", err)
	}
	content, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 { // among the records: their keys come before those of the index
		content[len(content)/4+i] ^= 0x55
	}
	if err := os.WriteFile(tables[0], content, 0o600); err != nil {
		t.Fatal(err)
	}

	l = mustOpen(t, dir, o)
	for name, sel := range map[string]eventlog.Selector{"by name": eventlog.Topics("a"), "everything": eventlog.Everything()} {
		got, lost := 0, uint64(0)
		q := eventlog.Query{Selector: sel}
		for q.After.Seq < records {
			a, err := l.Read(t.Context(), q)
			if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
				if gap.Reason != eventlog.Corrupt {
					t.Fatalf("%s: %v", name, gap)
				}
				lost++
				q = gap.Partial(q)
				continue
			} else if err != nil {
				t.Fatalf("%s after %v: %v", name, q.After, err)
			}
			got += len(a.Records)
			q.After = a.Complete
		}
		t.Logf("%s: %d records, %d gaps", name, got, lost)
		if lost == 0 || got == records || got < records/2 {
			t.Errorf("%s: %d records and %d gaps", name, got, lost)
		}
	}
	mustAppend(t, l, eventlog.Record{Topics: []string{"b"}})
}
