package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

const dir = "store"

// options returns options for a store in a file system in memory. The test fails if anything is logged.
func options(t *testing.T, fs vfs.FS) *guard.Options {
	t.Helper()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := pebble.LockDirectory(dir, fs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	})
	return &guard.Options{
		FS: fs, Lock: lock,
		Pebble: pebble.Options{FormatMajorVersion: pebble.FormatNewest, MemTableSize: 64 << 10},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func mustOpen(t *testing.T, o *guard.Options) *guard.DB {
	t.Helper()
	db, err := guard.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func mustClose(t *testing.T, db io.Closer) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustSet(t *testing.T, db *guard.DB, key, value string) {
	t.Helper()
	if err := db.Set([]byte(key), []byte(value), pebble.Sync); err != nil {
		t.Fatal(err)
	}
}

// has reports whether a key has a value.
func has(t *testing.T, db *pebble.DB, key, value string) bool {
	t.Helper()
	got, closer, err := db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, closer)
	return string(got) == value
}

// fullFS is a disk that is full while full is set.
type fullFS struct {
	vfs.FS
	full atomic.Bool
}

func (f *fullFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.full.Load() {
		return nil, syscall.ENOSPC
	}
	file, err := f.FS.Create(name, category)
	return &fullFile{file, f}, err
}

func (f *fullFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.full.Load() {
		return nil, syscall.ENOSPC
	}
	file, err := f.FS.ReuseForWrite(oldname, newname, category)
	return &fullFile{file, f}, err
}

type fullFile struct {
	vfs.File
	fs *fullFS
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.fs.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// TestFailedWriteStopsAllWritesAndNoReads: the disk fills up while a store is written and flushed. The process continues. Earlier writes
// can be read, also after failed flushes, and the next Open finds the acknowledged ones.
func TestFailedWriteStopsAllWritesAndNoReads(t *testing.T) {
	t.Parallel()
	fs := &fullFS{FS: vfs.NewMem()}
	o := options(t, fs)
	var reported []error
	o.OnFail = func(err error) { reported = append(reported, err) }
	db := mustOpen(t, o)
	mustSet(t, db, "before", "kept")

	fs.full.Store(true)
	value := strings.Repeat("x", 10_000)
	for i := range 50 { // more than several memtables hold
		if err := db.Set(fmt.Appendf(nil, "after %d", i), []byte(value), pebble.Sync); err != nil {
			t.Fatalf("Pebble noticed that write %d failed: %v", i, err)
		}
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(db.Err(), syscall.ENOSPC) || !db.Failed() || len(reported) != 1 {
		t.Errorf("Err returns %v, and OnFail was called with %v", db.Err(), reported)
	}
	if !has(t, db.DB, "before", "kept") || !has(t, db.DB, "after 49", value) {
		t.Error("an earlier write cannot be read while the store is open")
	}
	mustClose(t, db)

	fs.full.Store(false)
	db = mustOpen(t, o)
	if db.Err() != nil || !has(t, db.DB, "before", "kept") {
		t.Errorf("after opening again, with %v, an acknowledged write is gone", db.Err())
	}
	mustSet(t, db, "again", "works")
	mustClose(t, db)
}

// TestBarePebbleIgnoresDamageInItsManifest shows why checkTails reads the manifest: bare Pebble opens the store without the tables that are
// listed after the damage.
func TestBarePebbleIgnoresDamageInItsManifest(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	o := options(t, fs)
	db := mustOpen(t, o)
	const keys = 8
	for i := range keys { // one edit of the manifest each
		mustSet(t, db, fmt.Sprint("key ", i), "value")
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, db)
	m, err := guard.ReadManifest(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	damage(t, fs, fs.PathJoin(dir, m.Name), m.Size/2)

	_, err = guard.Open(dir, o)
	var corrupt *guard.CorruptError
	if !errors.As(err, &corrupt) || corrupt.File != m.Name || !pebble.IsCorruptionError(err) {
		t.Errorf("Open returns %v, want a CorruptError for %s", err, m.Name)
	}
	bare, err := pebble.Open(dir, &pebble.Options{FS: fs, Lock: o.Lock, ReadOnly: true, Logger: silent{}})
	if err != nil {
		t.Fatalf("bare Pebble notices by itself now: %v; see version_test.go", err)
	}
	defer mustClose(t, bare)
	found := 0
	for i := range keys {
		if has(t, bare, fmt.Sprint("key ", i), "value") {
			found++
		}
	}
	if found == keys {
		t.Error("bare Pebble has all keys; the test damages the wrong place")
	}
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

// damage flips the bits of one byte of a file.
func damage(t *testing.T, fs vfs.FS, path string, at int64) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, f)
	text = bytes.Clone(text)
	text[at] ^= 0xff
	f, err = fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	mustClose(t, f)
}
