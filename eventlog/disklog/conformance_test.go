package disklog_test

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/eventlog/logtest"
)

// harness opens each log in a directory of its own, and remembers its options.
func harness(mode disklog.Sync, fs func() vfs.FS) logtest.Harness {
	type opened struct {
		dir string
		o   disklog.Options
	}
	var mu sync.Mutex
	logs := make(map[eventlog.Log]opened)
	open := func(t *testing.T, with opened) eventlog.Log {
		l, err := disklog.Open(with.dir, &with.o)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		logs[l] = with
		return l
	}
	return logtest.Harness{
		Open: func(t *testing.T, o logtest.Options) eventlog.Log {
			with := opened{"log", disklog.Options{Retention: o.Retention, Mirror: o.Mirror, Now: o.Now, Sync: mode}}
			with.o.TrimOnlyWhenAsked()
			if fs != nil {
				with.o.SetFS(fs())
			} else {
				with.dir = t.TempDir()
			}
			return open(t, with)
		},
		Reopen: func(t *testing.T, l eventlog.Log) eventlog.Log {
			mu.Lock()
			with := logs[l]
			mu.Unlock()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, with)
		},
		Mirror: true, Lookup: true,
	}
}

// TestLogAgreesWithTheModel keeps the log in memory, which allows many operations. TIDINGS_OPS sets their number, TIDINGS_SEED repeats them.
func TestLogAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(modelSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			seed, operations := number("TIDINGS_SEED", seed), number("TIDINGS_OPS", 250)
			logtest.RunRandom(t, harness(disklog.SyncAlways+disklog.Sync(seed%2), inMemory), seed, int(operations))
		})
	}
}

func TestMirrorsDecideAlike(t *testing.T) {
	for seed := range number("TIDINGS_MIRRORS", modelSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			logtest.RunMirrors(t, harness(disklog.SyncInterval, inMemory), number("TIDINGS_SEED", seed), 200)
		})
	}
}

// number returns the value of an environment variable, or standard.
func number(name string, standard uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return standard
}

func inMemory() vfs.FS { return vfs.NewMem() }

func TestConformance(t *testing.T) {
	t.Run("SyncAlways", func(t *testing.T) { logtest.Run(t, harness(disklog.SyncAlways, nil)) })
	t.Run("SyncInterval", func(t *testing.T) { logtest.Run(t, harness(disklog.SyncInterval, inMemory)) })
}
