package guard_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// haltingFS lets flushes wait for a pass each, from the first call of halt on.
type haltingFS struct {
	*vfs.MemFS
	begun, passes chan struct{}
}

func newHaltingFS(fs *vfs.MemFS) *haltingFS {
	return &haltingFS{fs, make(chan struct{}, 100), make(chan struct{}, 100)}
}

func (h *haltingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") {
		h.begun <- struct{}{}
		<-h.passes
	}
	return h.MemFS.Create(name, category)
}

// killed returns the files that a kill of the process leaves.
func (h *haltingFS) killed() *vfs.MemFS {
	return h.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

// mustFill writes until the store has begun another write-ahead log, and once more. It returns the number of the next key.
func mustFill(t *testing.T, db *pebble.DB, fs vfs.FS, next int) int {
	t.Helper()
	for before, more := newestLog(t, fs), true; more; next++ {
		more = newestLog(t, fs) == before
		if err := db.Set(fmt.Appendf(nil, "key %d", next), bytes.Repeat([]byte("x"), 5000), pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// newestLog returns the name of the newest write-ahead log.
func newestLog(t *testing.T, fs vfs.FS) (newest string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			newest = max(newest, name)
		}
	}
	return newest
}

// wantKeys requires a number of keys.
func wantKeys(t *testing.T, db *pebble.DB, n int) {
	t.Helper()
	for i := range n {
		if !has(t, db, fmt.Sprint("key ", i), strings.Repeat("x", 5000)) {
			t.Errorf("key %d of %d is missing", i, n)
		}
	}
}

// TestStoreWhoseFirstOpenWasKilledIsWhole: Pebble raises the format of a new store step by step. After a kill in between, the next session began its
// log in an older format. If that one was killed while a memtable was flushed, the log seemed to be empty, and the store to lack tables.
func TestStoreWhoseFirstOpenWasKilledIsWhole(t *testing.T) {
	t.Parallel()
	fs := newHaltingFS(vfs.NewCrashableMem())
	o := options(t, fs)
	old := &pebble.Options{FS: fs, Lock: o.Lock, FormatMajorVersion: pebble.FormatMinSupported, Logger: silent{}}
	bare, err := pebble.Open(dir, old)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, bare)
	old.FormatMajorVersion, old.MemTableSize = pebble.FormatNewest, 64<<10
	if bare, err = pebble.Open(dir, old); err != nil { // as earlier versions of this program
		t.Fatal(err)
	}
	n := mustFill(t, bare, fs, 0)
	<-fs.begun
	left := fs.killed()
	close(fs.passes)
	mustClose(t, bare)

	o = options(t, left)
	db := mustOpen(t, o)
	wantKeys(t, db.DB, n)
	mustClose(t, db)
}

// TestLogOfAnOldStoreIsBegunInTheNewestFormat, also after the first open of a new one was killed: logs of older formats do not distinguish damage
// from their end.
func TestLogOfAnOldStoreIsBegunInTheNewestFormat(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	o := options(t, fs)
	bare, err := pebble.Open(dir, &pebble.Options{FS: fs, Lock: o.Lock, FormatMajorVersion: pebble.FormatMinSupported, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, bare)
	db := mustOpen(t, o)
	mustSet(t, db, "a", "1")
	if text := mustRead(t, fs, newestLog(t, fs)); text[6] < 9 {
		t.Errorf("the log begins with a chunk of type %d", text[6])
	}
	mustClose(t, db)
}

// TestMissingEntryIsNoticedAlthoughTheOneBeforeItIsNewer: a flush takes so long that a second memtable is full. The entry of the first one has the
// number of an operation that is in neither of them. Without the entry of the second one, nothing seemed to be missing.
func TestMissingEntryIsNoticedAlthoughTheOneBeforeItIsNewer(t *testing.T) {
	t.Parallel()
	fs := newHaltingFS(vfs.NewCrashableMem())
	o := options(t, fs)
	o.Pebble.MemTableStopWritesThreshold, o.Pebble.DisableAutomaticCompactions = 100, true // writes do not wait for flushes
	db := mustOpen(t, o)
	n := mustFill(t, db.DB, fs, 0)
	<-fs.begun // the flush of the first one
	n = mustFill(t, db.DB, fs, n)
	fs.passes <- struct{}{}
	<-fs.begun // of the second one
	n = mustFill(t, db.DB, fs, n)
	fs.passes <- struct{}{}
	<-fs.begun    // of the third one
	for range 4 { // the logs of the first two are used again
		n = mustFill(t, db.DB, fs, n)
	}
	left := fs.killed()
	close(fs.passes)
	mustClose(t, db)

	m, err := guard.ReadManifest(left, dir)
	if err != nil {
		t.Fatal(err)
	}
	text := mustRead(t, left, m.Name)
	var ends []int64
	for r := record.NewReader(bytes.NewReader(text), 0); ; {
		entry, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, entry)
		}
		if err != nil {
			break
		}
		ends = append(ends, r.Offset())
	}
	if len(ends) != 4 {
		t.Fatalf("%s has %d entries, want two of Open and one for each of two memtables", m.Name, len(ends))
	}
	db = mustOpen(t, options(t, newHaltingFS(left).killed()))
	wantKeys(t, db.DB, n)
	mustClose(t, db)

	mustWrite(t, left, m.Name, text[:ends[2]])
	o = options(t, left)
	if _, err := guard.Open(dir, o); !pebble.IsCorruptionError(err) {
		t.Errorf("without the last entry of the manifest, Open returns %v", err)
	}
	bare, err := pebble.Open(dir, &pebble.Options{FS: left, Lock: o.Lock, ReadOnly: true, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, bare)
	for i := range n {
		if !has(t, bare, fmt.Sprint("key ", i), strings.Repeat("x", 5000)) {
			return
		}
	}
	t.Error("nothing is missing without the entry; the test cuts the wrong one")
}

func mustRead(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(fs.PathJoin(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(text)
}

func mustWrite(t *testing.T, fs vfs.FS, name string, text []byte) {
	t.Helper()
	f, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	mustClose(t, f)
}
