package disklog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// faultKinds are the kinds of operations by which an open store changes its directory.
var faultKinds = []string{
	"write wal", "sync wal", "close wal", "create wal", "reuse wal",
	"write manifest", "sync manifest",
	"create table", "write table", "sync table", "close table",
	"remove table", "sync dir", "",
}

// faultRemedies are parts of the errors, which say what to do.
var faultRemedies = map[error]string{
	syscall.ENOSPC: "make room on its disk",
	syscall.EIO:    "check its disk",
	syscall.EROFS:  "mount its file system so that it can be written",
}

// TestDiskFaultsLoseNothing: each kind of write fails, once or from some time on, while clients append. Acknowledged records can be read
// during the fault, after it, and after a power loss. Clients append the others again, and the log has them once.
func TestDiskFaultsLoseNothing(t *testing.T) {
	t.Parallel()
	counts := countFaultless(t)
	var total atomic.Int64
	t.Cleanup(func() { t.Logf("%d operations failed", total.Load()) })
	for i, f := range faultCases(counts) {
		if counts[f.kind] == 0 {
			t.Errorf("the log has no operation %q; it has %v", f.kind, counts)
		}
		t.Run(fmt.Sprintf("%d %s", i, &f), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { total.Add(int64(testFault(t, f))) })
		})
	}
}

// faultCases makes each kind of operation fail at several places, once and from there on. TIDINGS_FAULTS is the number of places.
func faultCases(counts map[string]int) (all []fault) {
	parts := 3
	if raced {
		parts = 1
	}
	if n, err := strconv.Atoi(os.Getenv("TIDINGS_FAULTS")); err == nil {
		parts = n
	}
	faults := []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}
	for i, kind := range faultKinds {
		for part := range parts {
			f := fault{kind: kind, after: counts[kind] * (2*part + 1) / (2 * parts), err: faults[(i+part)%3], torn: part%2 == 1}
			if once := f; parts > 1 || i%2 == 0 {
				once.times = 1
				all = append(all, once)
			}
			if parts > 1 || i%2 == 1 {
				all = append(all, f)
			}
		}
	}
	return all
}

func (f *fault) String() string {
	times := "for good"
	if f.times > 0 {
		times = "once"
	}
	return fmt.Sprintf("%s after %d %s %v", f.kind, f.after, times, f.err)
}

const faultRecords = 120 // per client

// countFaultless counts the operations of a run without faults.
func countFaultless(t *testing.T) (counted map[string]int) {
	synctest.Test(t, func(t *testing.T) {
		fs := newFaultFS(vfs.NewCrashableMem())
		log := mustOpenFaulty(t, fs)
		fs.begin(fault{kind: "none"})
		newFaultClients(t, log).append(4, faultRecords)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		counted = fs.counted()
	})
	return counted
}

func mustOpenFaulty(t *testing.T, fs vfs.FS) *disklog.Log {
	t.Helper()
	log, err := disklog.Open("log", faultOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func testFault(t *testing.T, f fault) (hits int) {
	mem := vfs.NewCrashableMem()
	fs := newFaultFS(mem)
	log := mustOpenFaulty(t, fs)
	c := newFaultClients(t, log)
	c.cause = f.err
	fs.begin(f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.append(4, faultRecords)
	}()
	select {
	case <-done: // some single failures cause no error, such as one in removing a file
	case <-c.failed:
		if f.times == 0 {
			readDuringFault(t, c, mem)
		}
	}
	hits = fs.end()
	<-done
	c.appendUntilStored(faultBatch(rand.New(rand.NewPCG(9, 7)), 9, 0)) // once this is stored, the log has recovered
	if err := c.check(t.Context(), log); err != nil {
		t.Errorf("after recovering: %v", err)
	}
	if c.refusals == 0 && hits > 0 && f.times == 0 && f.kind != "remove table" {
		t.Error("no append was refused")
	}
	if err := log.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	checkAfterPowerLoss(t, c, mem)
	return hits
}

// readDuringFault reads while the disk fails, for long enough that the log has often tried to recover.
func readDuringFault(t *testing.T, c *faultClients, mem *vfs.MemFS) {
	t.Helper()
	for i := range 3 {
		time.Sleep(3 * time.Second) // in a synctest bubble
		var err error
		for range 100 { // the store may be being opened
			if err = c.check(t.Context(), c.log); !errors.Is(err, eventlog.ErrUnavailable) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("reading for the %d. time while the disk fails: %v", i+1, err)
		}
	}
	checkAfterPowerLoss(t, c, mem)
}

// checkAfterPowerLoss opens the files that the disk would have after a power loss.
func checkAfterPowerLoss(t *testing.T, c *faultClients, mem *vfs.MemFS) {
	t.Helper()
	log := mustOpenFaulty(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	if err := c.check(t.Context(), log); err != nil {
		t.Errorf("after a loss of power: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}
