//go:build !race

package disklog_test

// Tests of how much the log keeps, in memory and on disk. They have one goroutine and write much, which the race detector and the invariants
// of Pebble make slow, so only make log runs them.

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestDirectoryDoesNotGrowWithTheNamesOfDeadTopics: retention by bytes does not count the names of dead topics, so they need a limit of
// their own. Without one, 98,000 topics with names of 1,000 bytes took 266 MB on disk beyond a retention of 20 MB.
//
// The test counts the bytes of all files after a restart. While the log is open, write-ahead logs and tables that wait for compaction come on
// top. Both are bounded, and neither grows with the number of topics.
func TestDirectoryDoesNotGrowWithTheNamesOfDeadTopics(t *testing.T) {
	t.Parallel()
	const (
		keep   = 2 << 20
		topics = 8000 // remembered without a limit, their names take 8 times keep
	)
	dir := t.TempDir()
	o := &disklog.Options{Retention: &eventlog.Retention{Bytes: keep}}
	o.SetMemTable(256 << 10) // so that little is left in write-ahead logs
	log := mustOpen(t, dir, o)
	r := rand.NewChaCha8([32]byte{1})
	name := make([]byte, 740) // nearly 1,000 in base64, which compresses badly
	for range topics / 100 {
		batch := make([]eventlog.Record, 100)
		for i := range batch {
			_, _ = r.Read(name) // never fails
			batch[i] = eventlog.Record{Topics: []string{base64.URLEncoding.EncodeToString(name)}, Data: "x"}
		}
		mustAppend(t, log, batch...)
	}
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := log.Bounds()
	if b.Bytes > keep || b.DeadBytes > keep/8 || b.DeadTopics == 0 {
		t.Errorf("retention keeps %d bytes, and an eighth of that for dead topics: %+v", keep, b)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir, o).Close(); err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, dir); size > 3*keep {
		t.Errorf("the directory takes %d bytes on disk, and retention keeps %d", size, keep)
	}
}

// sizeOf returns the bytes of all files in a directory.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed since the listing
		} else if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestTopicsInMemoryAreLimited(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, t.TempDir(), nil)
	records := make([]eventlog.Record, 1000)
	for i := range 135 {
		for j := range records {
			records[j] = eventlog.Record{Topics: []string{fmt.Sprintf("topic/%d/%d", i, j)}}
		}
		mustAppend(t, l, records...)
	}
	if n := l.CachedTopics(); n > 2*(1<<16)+1000 || n < 1<<16 {
		t.Errorf("%d topics are in memory after 135,000 were used, want at most two halves of 65,536", n)
	}
	for _, topic := range []string{"topic/0/0", "topic/134/999"} {
		if answer := mustRead(t, l, eventlog.Query{Selector: eventlog.Topics(topic)}); len(answer.Records) != 1 {
			t.Errorf("%d records of %s, want 1", len(answer.Records), topic)
		}
	}
}

// TestExpiredEndsTakeNoSpace: the trimmer forgets them once no record can be refused because of them.
func TestExpiredEndsTakeNoSpace(t *testing.T) {
	t.Parallel()
	now := time.Now()
	dir := filepath.Join(t.TempDir(), "log")
	o := &disklog.Options{Now: func() time.Time { return now }, Retention: &eventlog.Retention{Rules: []eventlog.Rule{
		{Pattern: eventlog.MustPattern("short/**"), Age: time.Minute}, {Pattern: eventlog.MustPattern("long/**"), Age: 24 * time.Hour},
	}}}
	o.TrimOnlyWhenAsked()
	log := mustOpen(t, dir, o)
	var ends []eventlog.Record
	for i := range 3000 { // more than a chunk
		ends = append(ends, eventlog.Record{Topics: []string{"short/" + string(rune('a'+i))}, Flags: eventlog.End})
	}
	mustAppend(t, log, ends...)
	mustAppend(t, log, eventlog.Record{Topics: []string{"long/a", "short/b/c"}, Flags: eventlog.End})
	now = now.Add(2 * time.Hour)
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if end, err := log.End(t.Context(), "long/a"); err != nil || end.IsZero() {
		t.Errorf("the end that holds is %v, %v", end, err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}, ReadOnly: true, FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{'z', 'o'} {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for it.First(); it.Valid(); it.Next() {
			n++
		}
		if err := it.Close(); err != nil || n != 1 {
			t.Errorf("%d keys of kind %c are left, %v", n, kind, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustPassCheck(t, dir)
}
