package disklog_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestPowerLossKeepsACreatedDirectory: Open syncs all parents that it creates; Pebble syncs only the direct parent. Otherwise, if lib is new
// in /var/lib/log, a power loss removes the log, and the next Open begins an empty one.
func TestPowerLossKeepsACreatedDirectory(t *testing.T) {
	for _, dir := range []string{"log", "lib/log", "var/lib/log", "/srv/var/lib/log"} {
		fs := vfs.NewCrashableMem()
		o := &disklog.Options{Cache: 1 << 20, Reserve: -1}
		o.SetFS(fs)
		log := mustOpen(t, dir, o)
		receipt := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "hello"})[0]

		o.SetFS(fs.CrashClone(vfs.CrashCloneCfg{}))
		if head := mustOpen(t, dir, o).Head(); head != receipt.Position {
			t.Errorf("%s: after a crash the head is %v, and %v was acknowledged", dir, head, receipt.Position)
		}
	}
}

// markerFS calls a function after Pebble has created a marker.
type markerFS struct {
	vfs.FS
	made func()
}

func (m markerFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.Create(name, category)
	if strings.HasPrefix(m.PathBase(name), "marker.") {
		m.made()
	}
	return f, err
}

// TestPowerLossLeavesNoMarkerWithoutItsManifest: Pebble 2.1.7 creates a manifest and the marker that names it, and then syncs the directory
// once. With only the marker on disk, the log could not be opened again.
func TestPowerLossLeavesNoMarkerWithoutItsManifest(t *testing.T) {
	seed := repeatable(t)
	random := rand.New(rand.NewPCG(seed, 6))
	fs := vfs.NewCrashableMem()
	o := &disklog.Options{Cache: 1 << 20, Reserve: -1}
	o.SetFS(markerFS{fs, func() {
		for range 50 {
			left, err := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: random}).List("log")
			if err != nil {
				t.Error(err)
			}
			for _, name := range left {
				if _, manifest, ok := strings.Cut(name, "MANIFEST-"); ok && !slices.Contains(left, "MANIFEST-"+manifest) {
					t.Errorf("the directory has %s, and only %q", name, left)
				}
			}
		}
	}})
	for range 2 {
		if err := mustOpen(t, "log", o).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIntervalReachesTheDiskByItself: records that SyncInterval acknowledged reach the disk even if nothing is appended or closed later.
func TestIntervalReachesTheDiskByItself(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := &disklog.Options{Sync: disklog.SyncInterval, Interval: time.Millisecond, Cache: 1 << 20, Reserve: -1}
	o.SetFS(fs)
	log := mustOpen(t, "log", o)
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "synced, because it takes the first lease"})
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "not synced"})
	for found := 0; found < 2; {
		o.SetFS(fs.CrashClone(vfs.CrashCloneCfg{}))
		copied := mustOpen(t, "log", o)
		q, err := copied.Seek(t.Context(), eventlog.Topics("news"), eventlog.Start{})
		if err != nil {
			t.Fatal(err)
		}
		found = len(mustRead(t, copied, q).Records)
		if err := copied.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPowerLossAfterALargeAppend: Pebble writes a batch of more than half a memtable in another way.
func TestPowerLossAfterALargeAppend(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := &disklog.Options{Cache: 1 << 20, Reserve: -1}
	o.SetMemTable(64 << 10)
	o.SetFS(&stepFS{fs, func() {}})
	log := mustOpen(t, "log", o)
	for range 4 {
		receipts := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: strings.Repeat("large", 20_000)})
		o.SetFS(fs.CrashClone(vfs.CrashCloneCfg{}))
		if head := mustOpen(t, "log", o).Head(); head != receipts[0].Position {
			t.Fatalf("after a crash the head is %v, and %v was acknowledged", head, receipts[0].Position)
		}
	}
}
