package disklog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// A mirror receives lost records again, at the same numbers. With SyncInterval the log skipped a million numbers after a crash, which is
// right for numbers that it assigns itself, and then refused every record that arrived.
func TestMirrorContinuesAfterPowerLoss(t *testing.T) {
	for _, sync := range []disklog.Sync{disklog.SyncAlways, disklog.SyncInterval} {
		fs := vfs.NewCrashableMem()
		o := &disklog.Options{Sync: sync, Interval: time.Hour, Cache: 1 << 20, Reserve: -1}
		o.SetFS(fs)
		mirror(t, mustOpen(t, "log", o), 1, 20)
		for crash := range uint64(3) {
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
			o.SetFS(fs)
			log := mustOpen(t, "log", o)
			mirror(t, log, log.Head().Seq+1, 30+crash)
		}
	}
}

// A log was opened at number 20 and went back to 10 in a new generation. After a crash it took 11 to 20 for lost, and refused them when
// they arrived.
func TestPowerLossAfterSetGenerationLosesNothing(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := &disklog.Options{Cache: 1 << 20, Reserve: -1}
	o.SetFS(fs)
	log := mustOpen(t, "log", o)
	mirror(t, log, 1, 20)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log = mustOpen(t, "log", o)
	if err := log.SetGeneration(t.Context(), "other", 10); err != nil {
		t.Fatal(err)
	}
	o.SetFS(fs.CrashClone(vfs.CrashCloneCfg{}))
	mirror(t, mustOpen(t, "log", o), 11, 30)
}

// mirror appends the records of some numbers, and checks that all up to the last exist.
func mirror(t *testing.T, log *disklog.Log, first, last uint64) {
	t.Helper()
	for seq := first; seq <= last; seq++ {
		rec := eventlog.Record{Seq: seq, Time: time.UnixMilli(int64(seq)), Topics: []string{"news"}, Data: fmt.Sprint(seq), Key: fmt.Sprint(seq)}
		if _, err := log.AppendAt(t.Context(), []eventlog.Record{rec}); err != nil {
			t.Fatal(err)
		}
	}
	answer := mustRead(t, log, eventlog.Query{Selector: eventlog.Topics("news")})
	for i, rec := range answer.Records {
		if rec.Seq != uint64(i+1) || rec.Data != fmt.Sprint(i+1) {
			t.Fatalf("record %d is %+v", i, rec)
		}
	}
	if n := uint64(len(answer.Records)); n != last {
		t.Fatalf("there are %d records, not %d", n, last)
	}
}
