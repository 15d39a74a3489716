package disklog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestMirrorContinuesAfterPowerLoss: a mirror receives lost records again, at the same numbers. With SyncInterval a log skips a million
// numbers after a crash. A mirror must not do that, or it would refuse every record that arrives.
func TestMirrorContinuesAfterPowerLoss(t *testing.T) {
	for _, sync := range []disklog.Sync{disklog.SyncAlways, disklog.SyncInterval} {
		fs := vfs.NewCrashableMem()
		o := &disklog.Options{Mirror: true, Sync: sync, Interval: time.Hour, Cache: 1 << 20, Reserve: -1}
		o.SetFS(fs)
		log := mustOpen(t, "log", o)
		if err := log.SetGeneration(t.Context(), "first", 0); err != nil {
			t.Fatal(err)
		}
		mirror(t, log, 1, 20)
		for crash := range uint64(3) {
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
			o.SetFS(fs)
			log := mustOpen(t, "log", o)
			mirror(t, log, log.Head().Seq+1, 30+crash)
		}
	}
}

// TestPowerLossAfterSetGenerationLosesNothing: a log at number 20 goes back to 10 in a new generation. After a crash it must not count 11 to
// 20 as lost, because these records still have to arrive.
func TestPowerLossAfterSetGenerationLosesNothing(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := &disklog.Options{Mirror: true, Sync: disklog.SyncAlways, Cache: 1 << 20, Reserve: -1}
	o.SetFS(fs)
	log := mustOpen(t, "log", o)
	if err := log.SetGeneration(t.Context(), "first", 0); err != nil {
		t.Fatal(err)
	}
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

// mirror applies the records of some numbers, each with its number as state, and checks that all up to the last exist and that state and
// head were stored together, as long as there is one generation.
func mirror(t *testing.T, log *disklog.Log, first, last uint64) {
	t.Helper()
	state, err := log.State(t.Context())
	if head := log.Head(); err != nil || first > 1 && head.Gen == "first" && string(state) != fmt.Sprint(head.Seq) {
		t.Fatalf("the head is %v, and the state %q, %v", log.Head(), state, err)
	}
	for seq := first; seq <= last; seq++ {
		rec := eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(seq), Key: fmt.Sprint(seq)}
		batch := eventlog.Batch{First: seq, Time: time.UnixMilli(int64(seq)), Records: []eventlog.Record{rec}}
		if _, err := log.Apply(t.Context(), []eventlog.Batch{batch}, func([]eventlog.Outcome) []byte { return fmt.Append(nil, seq) }); err != nil {
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
