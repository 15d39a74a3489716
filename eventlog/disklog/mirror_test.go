package disklog_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// mustMirror opens a mirror in an empty directory, and begins generation "first".
func mustMirror(t *testing.T, dir string, o disklog.Options) *disklog.Log {
	t.Helper()
	o.Mirror = true
	log := mustOpen(t, dir, &o)
	if err := log.SetGeneration(t.Context(), "first", 0); err != nil {
		t.Fatal(err)
	}
	return log
}

// mustApply applies one batch of the current time, whose first number is also the state.
func mustApply(t *testing.T, log eventlog.Mirror, first uint64, records ...eventlog.Record) eventlog.Outcome {
	t.Helper()
	batch := eventlog.Batch{First: first, Time: time.Now(), Records: records}
	outcomes, err := log.Apply(t.Context(), []eventlog.Batch{batch}, func([]eventlog.Outcome) []byte { return fmt.Append(nil, first) })
	if err != nil {
		t.Fatal(err)
	}
	return outcomes[0]
}

func mustState(t *testing.T, log eventlog.Mirror) string {
	t.Helper()
	state, err := log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(state)
}

// TestReadOfAMirrorTakesMemoryForItsRecordsOnly: the numbers of two messages are 16,384 apart, and a reader may keep one record of an answer.
func TestReadOfAMirrorTakesMemoryForItsRecordsOnly(t *testing.T) {
	log := mustMirror(t, t.TempDir(), disklog.Options{})
	for message := range uint64(3) {
		mustApply(t, log, (message+1)<<14, eventlog.Record{Topics: []string{"a"}})
	}
	a, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Everything(), After: eventlog.Position{Gen: "first"}, Limit: eventlog.MaxCount})
	if err != nil || len(a.Records) != 3 || cap(a.Records) > 10 {
		t.Errorf("Read returned %d records with memory for %d: %v", len(a.Records), cap(a.Records), err)
	}
}

// TestMirrorMakesNoHoles: after a crash the shared log sends lost records again, under the same numbers. The log of a single hub would skip
// a lease of a million numbers and report a gap.
func TestMirrorMakesNoHoles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(repeatable(t), 6))
	for _, sync := range []disklog.Sync{disklog.SyncDefault, disklog.SyncAlways} {
		mem := vfs.NewCrashableMem()
		o := disklog.Options{Sync: sync, Interval: time.Hour, Cache: 1 << 20, Reserve: -1}
		o.SetFS(mem)
		log := mustMirror(t, "log", o)
		o.Mirror = true
		for range times("TIDINGS_CRASHES", 10) {
			for first := log.Head().Seq + 1; random.IntN(20) > 0; first = log.Head().Seq + 1 {
				mustApply(t, log, first, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(first)}, eventlog.Record{Topics: []string{"news"}})
				if random.IntN(5) == 0 {
					log.SyncNow()
				}
			}
			head := log.Head()
			mem = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
			o.SetFS(mem)
			log = mustOpen(t, "log", &o)
			now := log.Head()
			if now.Gen != "first" || now.Seq > head.Seq || sync == disklog.SyncAlways && now != head {
				t.Fatalf("the head was %v, and is %v after a crash", head, now)
			}
			if state := mustState(t, log); now.Seq > 0 && state != fmt.Sprint(now.Seq-1) {
				t.Fatalf("the head is %v, and the state of the last batch %q", now, state)
			}
			records := mustRead(t, log, eventlog.Query{Selector: eventlog.Topics("news"), After: eventlog.Position{Gen: "first"}, Limit: 10_000}).Records
			if uint64(len(records)) != now.Seq {
				t.Fatalf("%d records up to %v", len(records), now)
			}
		}
	}
}

// TestMirrorDecidesAlikeAfterACrash: it continues from its state, and decides on repeated and on new records like a mirror that did not
// crash.
func TestMirrorDecidesAlikeAfterACrash(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(repeatable(t), 7))
	rules := &eventlog.Retention{Keys: 4, KeyAge: 20 * time.Second, Events: 20, Rules: []eventlog.Rule{
		{Pattern: eventlog.MustPattern("a"), Age: 10 * time.Second}, {Pattern: eventlog.MustPattern("**"), Age: 30 * time.Second, Latest: 1},
	}}
	whole, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true, Retention: rules})
	if err == nil {
		err = whole.SetGeneration(t.Context(), "first", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	mem := vfs.NewCrashableMem()
	o := disklog.Options{Interval: time.Hour, Cache: 1 << 20, Reserve: -1, Retention: rules, Mirror: true}
	o.SetFS(mem)
	log := mustMirror(t, "log", o)
	var shared []eventlog.Batch
	var want []eventlog.Outcome
	at := time.UnixMilli(1_700_000_000_000)
	for next := 0; len(shared) < 40*times("TIDINGS_CRASHES", 10); {
		if next == len(shared) {
			at = at.Add(time.Duration(random.IntN(3000)-500) * time.Millisecond)
			r := eventlog.Record{Topics: []string{string(rune('a' + random.IntN(3)))}, Data: string(rune('0' + random.IntN(2)))}
			if random.IntN(3) == 0 {
				r.Key = string(rune('k' + random.IntN(5)))
			}
			if random.IntN(4) == 0 {
				r.Flags = eventlog.End
			}
			b := eventlog.Batch{First: uint64(2*len(shared) + 1), Time: at, Records: []eventlog.Record{r, {Topics: []string{"d"}}}}
			outcomes, err := whole.Apply(t.Context(), []eventlog.Batch{b}, nil)
			if err != nil {
				t.Fatal(err)
			}
			shared, want = append(shared, b), append(want, outcomes[0])
		}
		got, err := log.Apply(t.Context(), shared[next:next+1], func([]eventlog.Outcome) []byte { return fmt.Append(nil, next) })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[next], got[0], cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })); diff != "" {
			t.Fatalf("batch %d (-without a crash +with):\n%s", next, diff)
		}
		next++
		switch random.IntN(40) {
		case 0:
			mem = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
			o.SetFS(mem)
			log = mustOpen(t, "log", &o)
			next = 0
			if state := mustState(t, log); state != "" {
				if next, err = strconv.Atoi(state); err != nil {
					t.Fatal(err)
				}
				next++
			}
		case 1, 2:
			log.SyncNow()
		case 3:
			if err := log.Trim(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBrokenDiskClosesAMirror: the mirror does not recover with a hole, because the shared log has all records.
func TestBrokenDiskClosesAMirror(t *testing.T) {
	t.Parallel()
	disk := newFaultFS(vfs.NewMem())
	o := disklog.Options{Mirror: true, Interval: time.Hour, Reserve: -1}
	o.SetFS(disk)
	log, err := disklog.Open("log", &o) // not mustOpen, which checks the error of Close
	if err != nil {
		t.Fatal(err)
	}
	if err := log.SetGeneration(t.Context(), "first", 0); err != nil {
		t.Fatal(err)
	}
	mustApply(t, log, 1, eventlog.Record{Topics: []string{"news"}})
	log.SyncNow()
	disk.begin(fault{kind: "write wal", times: 1, err: syscall.EIO})
	batch := []eventlog.Batch{{First: 2, Time: time.Now(), Records: []eventlog.Record{{Topics: []string{"news"}}}}}
	_, _ = log.Apply(t.Context(), batch, nil) // the disk may fail during the call or later
	log.SyncNow()
	for range log.Watch() { // until it is closed
	}
	if _, err := log.Apply(t.Context(), batch, nil); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Apply to a mirror whose disk has failed: %v", err)
	}
	if err := log.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("the owner gets %v from Close", err)
	}
	disk.end()
	log = mustOpen(t, "log", &o)
	if head := log.Head(); head.Gen != "first" || head.Seq > 2 {
		t.Errorf("the head is %v", head)
	}
	if answer := mustRead(t, log, eventlog.Query{Selector: eventlog.Everything()}); uint64(len(answer.Records)) != log.Head().Seq {
		t.Errorf("%d records up to %v", len(answer.Records), log.Head())
	}
}

// TestSnapshotIsAMirrorOfItsOwn: it has the generation, the records, the decisions, the rules and the state at that moment, and continues
// independently.
func TestSnapshotIsAMirrorOfItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := mustMirror(t, filepath.Join(dir, "log"), disklog.Options{})
	mustApply(t, log, 1, eventlog.Record{Topics: []string{"story"}, Flags: eventlog.End}, eventlog.Record{Topics: []string{"news"}, Key: "k", Data: "1"})
	if err := log.SetRetention(t.Context(), &eventlog.Retention{Keys: 5}); err != nil {
		t.Fatal(err)
	}
	mustApply(t, log, 3, eventlog.Record{Topics: []string{"news"}, Data: "2"})
	to := filepath.Join(dir, "new", "snapshot")
	if err := log.Snapshot(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	mustApply(t, log, 4, eventlog.Record{Topics: []string{"news"}, Data: "3"})
	dirErr, ok := errors.AsType[*disklog.DirError](log.Snapshot(t.Context(), to))
	if !ok || !errors.Is(dirErr, fs.ErrExist) {
		t.Errorf("a second snapshot in the same directory: %v", dirErr)
	}

	other := mustOpen(t, to, &disklog.Options{Mirror: true})
	if head := other.Head(); head != (eventlog.Position{Gen: "first", Seq: 3}) || mustState(t, other) != "3" {
		t.Errorf("the snapshot is at %v with state %q", head, mustState(t, other))
	}
	want := mustRead(t, log, eventlog.Query{Selector: eventlog.Everything()}).Records[:3]
	if diff := cmp.Diff(want, mustRead(t, other, eventlog.Query{Selector: eventlog.Everything()}).Records); diff != "" {
		t.Errorf("records (-log +snapshot):\n%s", diff)
	}
	if o := mustApply(t, other, 4, eventlog.Record{Topics: []string{"news"}, Key: "k", Data: "1"}); o.Err != nil || !o.Receipts[0].Duplicate {
		t.Errorf("a known key: %+v", o)
	}
	if o := mustApply(t, other, 5, eventlog.Record{Topics: []string{"story"}}); !errors.Is(o.Err, eventlog.ErrEnded) {
		t.Errorf("an ended topic: %+v", o)
	}
	mustApply(t, log, 5, eventlog.Record{Topics: []string{"news"}, Data: "4"})
	if head := log.Head(); head.Seq != 5 {
		t.Errorf("the original is at %v", head)
	}
}

// TestFailedSnapshotHarmsNoMirror: the disk of the snapshot may be full when that of the log is not.
func TestFailedSnapshotHarmsNoMirror(t *testing.T) {
	t.Parallel()
	disk := newFaultFS(vfs.NewMem())
	o := disklog.Options{Reserve: -1, Interval: time.Hour}
	o.SetFS(disk)
	log := mustMirror(t, "log", o)
	mustApply(t, log, 1, eventlog.Record{Topics: []string{"news"}})
	disk.begin(fault{kind: "write other", err: syscall.ENOSPC}) // Pebble's options and tidings.json of the copy
	err := log.Snapshot(t.Context(), "snapshot")
	if hits := disk.end(); hits == 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the snapshot: %v, after %d faults", err, hits)
	}
	if _, err := disk.Stat("snapshot"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a failed snapshot is still there: %v", err)
	}
	mustApply(t, log, 2, eventlog.Record{Topics: []string{"news"}})
	if err := log.Snapshot(t.Context(), "snapshot"); err != nil {
		t.Error(err)
	}
}

// TestRolesOfDirectoriesAreNotMixedUp: a mirror that is opened as a single hub's log would choose its own numbers. A single hub's log that
// is opened as a mirror would lose the numbers that its clients have.
func TestRolesOfDirectoriesAreNotMixedUp(t *testing.T) {
	t.Parallel()
	single, follower := filepath.Join(t.TempDir(), "single"), filepath.Join(t.TempDir(), "mirror")
	mustLog(t, single)
	if err := mustMirror(t, follower, disklog.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	before := listing(t, single)
	_, err := disklog.Open(single, &disklog.Options{Mirror: true})
	wantDirError(t, single, before, err, disklog.ErrNotMirror, "single hub", "name another directory", "gap")
	before = listing(t, follower)
	_, err = disklog.Open(follower, nil)
	wantDirError(t, follower, before, err, disklog.ErrIsMirror, "cluster", "name another directory", "gap")
	_, err = disklog.Restored(follower)
	wantDirError(t, follower, before, err, disklog.ErrIsMirror, "cluster")
	if _, err := disklog.ToMirror(follower); !errors.Is(err, disklog.ErrIsMirror) {
		t.Errorf("ToMirror of a mirror: %v", err)
	}
	if _, err := disklog.FromMirror(single); !errors.Is(err, disklog.ErrNotMirror) {
		t.Errorf("FromMirror of a log that is none: %v", err)
	}
	if _, err := disklog.ToMirror(filepath.Join(t.TempDir(), "none")); !errors.Is(err, disklog.ErrNoLog) {
		t.Errorf("ToMirror of a directory that does not exist: %v", err)
	}
	for _, dir := range []string{single, follower} {
		if mustOpen(t, dir, &disklog.Options{Mirror: dir == follower}).Head().Gen == "" {
			t.Errorf("%s has lost its generation", dir)
		}
	}
}

// TestLogBecomesAMirrorAndBack: records, keys and ends stay; positions are of another generation as soon as the log has one.
func TestLogBecomesAMirrorAndBack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Key: "k", Data: "1"}, eventlog.Record{Topics: []string{"story"}, Flags: eventlog.End})
	first := log.Head()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if head, err := disklog.ToMirror(dir); err != nil || head != first {
		t.Fatalf("the mirror is at %v, %v; the log was at %v", head, err, first)
	}
	log = mustOpen(t, dir, &disklog.Options{Mirror: true})
	if head := log.Head(); head != first {
		t.Errorf("the mirror is at %v, the log was at %v", head, first)
	}
	if err := log.SetGeneration(t.Context(), "share", first.Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Everything(), After: first}); !errors.Is(err, eventlog.ErrGap) {
		t.Errorf("a position of the single hub: %v", err)
	}
	if o := mustApply(t, log, 100, eventlog.Record{Topics: []string{"news"}, Key: "k", Data: "1"}); o.Err != nil || !o.Receipts[0].Duplicate {
		t.Errorf("a key of the single hub: %+v", o)
	}
	if o := mustApply(t, log, 101, eventlog.Record{Topics: []string{"story"}}); !errors.Is(o.Err, eventlog.ErrEnded) {
		t.Errorf("an end of the single hub: %+v", o)
	}
	mustApply(t, log, 102, eventlog.Record{Topics: []string{"news"}, Data: "2"})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	last, err := disklog.FromMirror(dir)
	if err != nil || last.Gen == "share" || last.Gen == first.Gen || last.Seq != 102 {
		t.Fatalf("the single log is at %v, %v", last, err)
	}
	log = mustOpen(t, dir, nil)
	if head := log.Head(); head != last {
		t.Errorf("the single log is at %v, and was at %v", head, last)
	}
	if got := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})[0]; got.Seq != 103 {
		t.Errorf("the next record is at %v", got.Position)
	}
	if records := mustRead(t, log, eventlog.Query{Selector: eventlog.Topics("news")}).Records; len(records) != 3 {
		t.Errorf("%d records", len(records))
	}
}

// TestCopyOfAMirrorGoesOn: the numbers come from the shared log, so a copy uses none twice.
func TestCopyOfAMirrorGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := mustMirror(t, filepath.Join(dir, "log"), disklog.Options{})
	mustApply(t, log, 1, eventlog.Record{Topics: []string{"news"}})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "log"))); err != nil {
		t.Fatal(err)
	}
	if head := mustOpen(t, filepath.Join(dir, "copy"), &disklog.Options{Mirror: true}).Head(); head != (eventlog.Position{Gen: "first", Seq: 1}) {
		t.Errorf("the copy is at %v", head)
	}
}

// TestClosedMirrorRefusesEverything: also Await and Snapshot fail.
func TestClosedMirrorRefusesEverything(t *testing.T) {
	t.Parallel()
	log := mustMirror(t, filepath.Join(t.TempDir(), "log"), disklog.Options{})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, applyErr := log.Apply(ctx, nil, nil)
	_, stateErr := log.State(ctx)
	_, endErr := log.End(ctx, "news")
	for i, err := range []error{
		applyErr, stateErr, endErr, log.SetRetention(ctx, nil), log.SetGeneration(ctx, "other", 0), log.Skip(ctx, 9, eventlog.Trimmed),
		log.Await(ctx, eventlog.Position{Gen: "other", Seq: 1}), log.Snapshot(ctx, filepath.Join(t.TempDir(), "snapshot")),
	} {
		if !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
