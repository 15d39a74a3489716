package disklog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestFaultsInOpenAreErrorsWithARemedy: each write of Open fails once, in a new directory and in one that Open has to recover after a crash.
// Bare Pebble retries a failed flush forever while it opens.
func TestFaultsInOpenAreErrorsWithARemedy(t *testing.T) {
	t.Parallel()
	var c *faultClients
	var left *vfs.MemFS
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		log := mustOpenFaulty(t, mem)
		c = newFaultClients(t, log)
		c.append(4, 24)
		left = mem.CrashClone(vfs.CrashCloneCfg{})
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
	for name, before := range map[string]*vfs.MemFS{"new": vfs.NewCrashableMem(), "crashed": left} {
		for _, times := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s %d", name, times), func(t *testing.T) {
				t.Parallel()
				n := 0
				for step := 1; failOpening(t, c, before, fault{after: n, times: times, err: syscall.ENOSPC}); n += step {
					if raced {
						step = 17
					}
				}
				// Open makes some 40 operations beside the writes of tables, whose number depends on how the appended records were grouped.
				if n < 30 {
					t.Errorf("only %d writes failed", n)
				}
				t.Logf("%d operations failed", n)
			})
		}
	}
}

// failOpening opens a copy of a directory while a fault is active. It reports whether an operation failed.
func failOpening(t *testing.T, c *faultClients, before *vfs.MemFS, f fault) (hit bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mem := before.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
		fs := newFaultFS(mem)
		fs.begin(f)
		log, err := disklog.Open("log", faultOptions(fs))
		hit = fs.hit() > 0
		if err == nil {
			// A write in the background may have failed after Open; the log recovers from that.
			closed := log.Close()
			if fs.end() > 0 && closed == nil {
				t.Errorf("operation %d failed, and Open returned no error", f.after)
			}
			return
		}
		fs.end()
		dirErr, ok := errors.AsType[*disklog.DirError](err)
		if !ok || dirErr.Dir != "log" || !errors.Is(err, f.err) || !strings.Contains(err.Error(), faultRemedies[f.err]) {
			t.Errorf("operation %d failed: %v", f.after, err)
		}
		crashed := mem.CrashClone(vfs.CrashCloneCfg{})
		partly := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(2, uint64(f.after)))})
		for _, fs := range []vfs.FS{fs, crashed, partly} {
			log, err = disklog.Open("log", faultOptions(fs))
			if err != nil {
				t.Errorf("Open without a fault, after operation %d has failed: %v", f.after, err)
				return
			}
			if log.Head().Seq > 0 {
				if err := c.check(t.Context(), log); err != nil {
					t.Errorf("after operation %d has failed: %v", f.after, err)
				}
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return hit
}

// TestCloseWhileTheDiskFails closes a log that cannot write, from many goroutines at once.
func TestCloseWhileTheDiskFails(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sync wal", "create wal", "write table", ""} {
		synctest.Test(t, func(t *testing.T) {
			fs := newFaultFS(vfs.NewCrashableMem())
			log := mustOpenFaulty(t, fs)
			c := newFaultClients(t, log)
			c.cause = syscall.EIO
			fs.begin(fault{kind: kind, err: syscall.EIO})
			c.tolerateClosed = true
			var clients, closers sync.WaitGroup
			clients.Go(func() { c.append(4, faultRecords) })
			<-c.failed
			errs := make([]error, 8)
			for i := range errs {
				closers.Go(func() { errs[i] = log.Close() })
			}
			closers.Wait()
			clients.Wait()
			for _, err := range errs {
				if !errors.Is(err, errs[0]) || !errors.Is(err, syscall.EIO) {
					t.Errorf("%s: Close returns %v and %v", kind, errs[0], err)
				}
			}
			fs.end()
			log = mustOpenFaulty(t, fs)
			if err := c.check(t.Context(), log); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
