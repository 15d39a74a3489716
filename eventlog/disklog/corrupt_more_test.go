package disklog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// cutLogs calls f with copies of a directory that has least write-ahead logs or more. In each copy the oldest of them is cut off at another
// entry.
func cutLogs(t *testing.T, fs vfs.FS, least int, f func(fs vfs.FS)) {
	t.Helper()
	files := contents(t, fs)
	var logs []string
	for name, text := range files {
		if strings.HasSuffix(name, ".log") && len(disklog.EntriesOf(name, text)) > 0 {
			logs = append(logs, name)
		}
	}
	if len(logs) < least {
		return
	}
	oldest := slices.Min(logs)
	text := files[oldest]
	ends := disklog.EntriesOf(oldest, text)
	for _, end := range ends[:len(ends)-1] {
		files[oldest] = text[:end]
		f(with(t, files))
	}
}

// TestTruncatedOlderWriteAheadLogIsDetected: Pebble takes the end of the file for the end of what was written. That would leave a hole in the
// middle of the log without a gap.
func TestTruncatedOlderWriteAheadLogIsDetected(t *testing.T) {
	t.Parallel()
	mem := vfs.NewCrashableMem()
	log := mustOpen(t, remainsDir, remainsOptions(mem))
	cuts := 0
	for i := range 60 {
		mustAppend(t, log, eventlog.Record{Topics: []string{"a"}, Data: faultNoise[i : i+3000]})
		cutLogs(t, mem.CrashClone(vfs.CrashCloneCfg{}), 2, func(fs vfs.FS) {
			if cuts++; raced && cuts%6 > 0 {
				return
			}
			log, err := disklog.Open(remainsDir, remainsOptions(fs))
			if err != nil {
				wantCorrupt(t, err)
				return
			}
			answer, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("a")})
			if n := len(answer.Records); err != nil || n != i+1 { // all records that were cut off are in tables
				t.Errorf("%d records were appended, and of the log with the head %v %d are read: %v", i+1, log.Head(), n, err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if cuts == 0 {
		t.Error("the store never had two write-ahead logs")
	}
}

// TestLostGenerationIsNotReplacedByThePreviousOne: if the end of the write-ahead log is missing, the newest generation may be missing with
// it. The previous generation must not continue and use its numbers again.
func TestLostGenerationIsNotReplacedByThePreviousOne(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	log, err := disklog.Open(remainsDir, remainsOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[eventlog.Position]bool)
	for range 20 {
		used[mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})[0].Position] = true
	}
	if err := log.SetGeneration(t.Context(), "newgn", 15); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	opened := 0
	cutLogs(t, mem, 1, func(fs vfs.FS) {
		log, err := disklog.Open(remainsDir, remainsOptions(fs))
		if err != nil {
			wantCorrupt(t, err)
			return
		}
		opened++
		if at := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})[0].Position; used[at] {
			t.Errorf("%v was used again", at)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	if opened == 0 {
		t.Error("no damaged log could be opened")
	}
}

// mustDamage returns the directory of a closed log with records of one topic, in whose tables bytes were changed between two parts of
// each file.
func mustDamage(t *testing.T, o *disklog.Options, records, from, to, every int) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "log")
	for i := range 2 { // the second time, all records are in tables
		log, err := disklog.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			appendNoise(t, log, records)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		change(t, table, func(b []byte) []byte {
			for at := len(b) * from / 100; len(b) > 10_000 && at < len(b)*to/100; at += every {
				b[at] ^= 0x55
			}
			return b
		})
	}
	return dir
}

func appendNoise(t *testing.T, log eventlog.Log, n int) {
	t.Helper()
	for i := range n {
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: faultNoise[i*10 : i*10+800]})
	}
}

// TestUnreadableRecordsDoNotCountTowardsLimits: otherwise retention would trim readable records in their place.
func TestUnreadableRecordsDoNotCountTowardsLimits(t *testing.T) {
	t.Parallel()
	o := &disklog.Options{Reserve: -1, Retention: &eventlog.Retention{Events: 100}, Logger: slog.New(slog.DiscardHandler)}
	o.TrimOnlyWhenAsked()
	log := mustOpen(t, mustDamage(t, o, 300, 1, 20, 1000), o)
	for range 3 {
		appendNoise(t, log, 300)
		if err := log.Trim(t.Context()); err != nil && !errors.Is(err, eventlog.ErrCorrupt) {
			t.Error(err)
		}
		answer := mustRead(t, log, eventlog.Query{Selector: eventlog.Topics("news"), Told: 1 << 62})
		if n := len(answer.Records); n != 100 {
			t.Errorf("100 are kept, and of the newest 300, which are whole, %d are left", n)
		}
		if b := log.Bounds(); b.Events != 100 {
			t.Errorf("Bounds is %+v", b)
		}
	}
}

// TestCutThroughDamageChangesNothing: SetGeneration reports the damage.
func TestCutThroughDamageChangesNothing(t *testing.T) {
	t.Parallel()
	o := &disklog.Options{Reserve: -1, Logger: slog.New(slog.DiscardHandler)}
	log := mustOpen(t, mustDamage(t, o, 300, 50, 51, 1), o)
	before := log.Head()
	if err := log.SetGeneration(t.Context(), "newgn", 1); !errors.Is(err, eventlog.ErrCorrupt) || strings.Contains(err.Error(), "\n") {
		t.Errorf("SetGeneration returns %q", err)
	}
	if log.Head() != before {
		t.Errorf("the head is %v, was %v", log.Head(), before)
	}
	if err := log.SetGeneration(t.Context(), "newgn", 0); err != nil {
		t.Errorf("a generation after 0 needs no read of the damaged records: %v", err)
	}
}

// TestSkipIsInvisibleBeforeItIsOnDisk: if Skip fails to write, the head stays and readers get no gap.
func TestSkipIsInvisibleBeforeItIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &heldFS{FS: vfs.NewMem()}
		o := &disklog.Options{Reserve: -1}
		o.SetFS(fs)
		log, err := disklog.Open("log", o)
		if err != nil {
			t.Fatal(err)
		}
		at := mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})[0].Position
		held := make(chan struct{})
		fs.held.Store(&held)
		skipped := make(chan error)
		go func() { skipped <- log.Skip(t.Context(), 1000, eventlog.Rollback) }()
		synctest.Wait()
		if _, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("a"), After: at}); err != nil {
			t.Errorf("the head is %v, and a reader gets: %v", log.Head(), err)
		}
		fs.held.Store(nil)
		close(held)
		if err := <-skipped; err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
}

// unreadableFS fails one read of a table, or all.
type unreadableFS struct {
	vfs.FS
	left atomic.Int64 // reads that succeed before one fails
	all  atomic.Bool
}

func (u *unreadableFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := u.FS.Open(name, opts...)
	if err == nil && strings.HasSuffix(name, ".sst") {
		f = &unreadableFile{f, u}
	}
	return f, err
}

type unreadableFile struct {
	vfs.File
	fs *unreadableFS
}

func (f *unreadableFile) ReadAt(p []byte, at int64) (int, error) {
	if f.fs.left.Add(-1) == 0 || f.fs.all.Load() {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, at)
}

// TestFailedReadLeavesNothingUntrimmed: records that a chunk has examined count as done only when the chunk is written.
func TestFailedReadLeavesNothingUntrimmed(t *testing.T) {
	t.Parallel()
	apart := int64(19)
	if raced {
		apart *= 3
	}
	for _, rule := range []eventlog.Rule{{Age: time.Hour}, {Count: 1}} {
		failed := 0
		for n := int64(10); n < 200; n += apart {
			fs := &unreadableFS{FS: vfs.NewMem()}
			rule.Pattern = eventlog.MustPattern("**")
			o, now := stillOptions(rule)
			o.SetFS(fs)
			o.Cache = 1
			o.Logger = slog.New(slog.DiscardHandler)
			log := mustOpen(t, "log", o)
			for i := range 1000 {
				mustAppend(t, log, eventlog.Record{Topics: []string{fmt.Sprint("t/", i%10)}, Data: faultNoise[i : i+800]})
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			log = mustOpen(t, "log", o) // Open has moved the records to tables
			*now = now.Add(2 * time.Hour)
			fs.left.Store(n)
			if log.Trim(t.Context()) != nil {
				failed++
			}
			fs.left.Store(0)
			if err := log.Trim(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left, want := log.Bounds().Events, int64(10*rule.Count); left != want {
				t.Errorf("a read has failed, and with the next pass %d records are left, want %d", left, want)
			}
		}
		if failed == 0 {
			t.Error("no pass has failed")
		}
	}
}
