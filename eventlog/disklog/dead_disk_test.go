package disklog_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"

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
