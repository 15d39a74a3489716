package disklog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// faultChild is the environment variable that makes a test the process that dies.
const faultChild = "TIDINGS_FAULT_CHILD"

// TestBarePebbleDiesWhereTheLogSurvives shows why package guard has a fence. When Pebble cannot write its write-ahead log, it calls
// Logger.Fatalf, which exits; with a logger that returns, it panics on the next write. When it cannot create the next write-ahead log, it
// panics at once, and then dies of unlocking a mutex twice. Each case runs in a process of its own. The log survives the same faults.
func TestBarePebbleDiesWhereTheLogSurvives(t *testing.T) {
	if kind := os.Getenv(faultChild); kind != "" {
		dieOfFault(kind)
		return
	}
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"write wal", "sync wal", "create wal", "sync manifest", "sync dir"} {
		cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), faultChild+"="+kind)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err == nil || strings.Contains(out.String(), faultSurvived) || strings.Contains(out.String(), "FAIL") {
			t.Errorf("%s: bare Pebble comes to the end %v with\n%.2000s", kind, err, out.String())
		}
		if raced {
			break // the others are among the cases of TestDiskFaultsLoseNothing
		}
		synctest.Test(t, func(t *testing.T) { testFault(t, fault{kind: kind, err: syscall.EIO}) })
	}
}

const faultSurvived = "has survived the fault"

// dieOfFault writes to a bare store whose disk fails.
func dieOfFault(kind string) {
	fs := newFaultFS(vfs.NewMem())
	db, err := pebble.Open("db", &pebble.Options{FS: fs, MemTableSize: 128 << 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	fs.begin(fault{kind: kind, err: syscall.EIO})
	for i := range 2000 {
		if err := db.Set(fmt.Appendf(nil, "%d", i), []byte(faultNoise[i:i+1000]), pebble.Sync); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(faultSurvived)
}

// TestFaultBetweenSyncsIsAGap: with SyncInterval a record is acknowledged before it is on disk, and a failing disk may lose the newest
// records. Readers that have seen them get one gap, and no number is used twice.
func TestFaultBetweenSyncsIsAGap(t *testing.T) {
	t.Parallel()
	for i, kind := range []string{"write wal", "sync wal", "create wal", "write table", ""} {
		synctest.Test(t, func(t *testing.T) {
			fs := newFaultFS(vfs.NewCrashableMem())
			o := faultOptions(fs)
			o.Sync = disklog.SyncInterval
			log := mustOpen(t, "log", o)
			reader := &faultReader{t: t, log: log, seen: make(map[uint64]string)}
			r := rand.New(rand.NewPCG(uint64(i), 11))
			for n := range 40 {
				switch n {
				case 20:
					fs.begin(fault{kind: kind, after: 1, err: syscall.EIO})
				case 30:
					fs.end()
				}
				_, err := log.Append(t.Context(), faultBatch(r, 0, 4*n))
				for ; errors.Is(err, eventlog.ErrUnavailable) && n >= 30; _, err = log.Append(t.Context(), faultBatch(r, 0, 4*n)) {
					time.Sleep(50 * time.Millisecond) // in a synctest bubble
				}
				if err != nil && !errors.Is(err, eventlog.ErrUnavailable) {
					t.Errorf("%s: %v", kind, err)
				}
				reader.read()
				time.Sleep(30 * time.Millisecond)
			}
			reader.read()
			reader.compare()
			t.Logf("%s: %d records were seen, %d gaps", kind, len(reader.seen), reader.gaps)
		})
	}
}

// faultReader follows a log and remembers what it read.
type faultReader struct {
	t    *testing.T
	log  *disklog.Log
	q    eventlog.Query
	seen map[uint64]string // keys, by number
	told []eventlog.GapError
	gaps int
}

func (r *faultReader) read() {
	r.q.Selector = eventlog.Everything()
	for {
		answer, err := r.log.Read(r.t.Context(), r.q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			r.gaps++
			r.told = append(r.told, *gap)
			r.q = gap.Partial(r.q)
			continue
		} else if errors.Is(err, eventlog.ErrUnavailable) {
			return
		} else if err != nil {
			r.t.Fatal(err)
		}
		for _, rec := range answer.Records {
			if key, twice := r.seen[rec.Seq]; twice {
				r.t.Errorf("number %d was %s and is %s", rec.Seq, key, rec.Key)
			}
			r.seen[rec.Seq] = rec.Key
		}
		if r.q.After = answer.Complete; r.q.After == r.log.Head() {
			return
		}
	}
}

// compare reads everything again. Records that are gone must be covered by a gap that the reader got.
func (r *faultReader) compare() {
	r.t.Helper()
	again := &faultReader{t: r.t, log: r.log, seen: make(map[uint64]string)}
	again.read()
	for seq, key := range again.seen {
		if r.seen[seq] != key {
			r.t.Errorf("at %d there is %s, and the reader saw %q", seq, key, r.seen[seq])
		}
	}
	for seq, key := range r.seen {
		if again.seen[seq] == key {
			continue
		}
		known := false
		for _, gap := range r.told {
			known = known || gap.Reason == eventlog.Rollback && gap.To.Seq >= seq
		}
		if !known {
			r.t.Errorf("%s at %d is gone, and the reader got only %v", key, seq, r.told)
		}
	}
}

// TestTrimmingStartsOverAfterAFault: trimming is not synced, so trimmed records may come back when a disk fails. The trimmer must trim them
// again.
func TestTrimmingStartsOverAfterAFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := newFaultFS(vfs.NewCrashableMem())
		o := faultOptions(fs)
		o.TrimOnlyWhenAsked()
		o.Retention = &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Age: time.Hour}}}
		log := mustOpen(t, "log", o)
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "old"})
		time.Sleep(2 * time.Hour)
		fs.begin(fault{kind: "write wal", err: syscall.EIO})
		if err := log.Trim(t.Context()); err != nil || log.Bounds().Events != 0 {
			t.Fatal(err, log.Bounds())
		}
		fresh := []eventlog.Record{{Topics: []string{"news"}, Data: "new", Key: "new"}}
		if _, err := log.Append(t.Context(), fresh); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Fatalf("an append on a failing disk returns %v", err)
		}
		fs.end()
		for range 100 {
			if _, err := log.Append(t.Context(), fresh); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if b := log.Bounds(); b.Events != 2 {
			t.Fatalf("the trimmed records have not come back: %+v", b)
		}
		if err := log.Trim(t.Context()); err != nil || log.Bounds().Events != 1 {
			t.Errorf("after trimming, %v, the log still has %+v", err, log.Bounds())
		}
	})
}
