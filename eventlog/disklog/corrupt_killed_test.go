package disklog_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// A process is killed after 20 acknowledged batches of 500 events. One byte at 30 % of its write-ahead log is damaged. The next start must
// not drop half of the events without a gap and use their numbers again.

// mustKill returns the files of a process that was killed after it appended some batches, each after the previous one was
// acknowledged. With a small memtable, Pebble writes several write-ahead logs and recycles their files. With SyncInterval an
// interval ends after each batch except the last two.
func mustKill(t *testing.T, r *rand.Rand, sync disklog.Sync, batches, size, data, memTable int) *remains {
	t.Helper()
	fs := vfs.NewMem()
	o := faultOptions(fs)
	o.Sync, o.Interval = sync, time.Hour
	o.SetMemTable(memTable)
	o.TrimOnlyWhenAsked()
	log, err := disklog.Open(remainsDir, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &remains{last: size}
	for n := range batches {
		batch := make([]eventlog.Record, size)
		for i := range batch {
			at := r.IntN(len(faultNoise) - data)
			batch[i] = eventlog.Record{Topics: []string{fmt.Sprint("topic/", i%5)}, Data: faultNoise[at : at+r.IntN(data)]}
		}
		for i, receipt := range mustAppend(t, log, batch...) {
			batch[i].Seq, batch[i].Time = receipt.Seq, receipt.Time
		}
		m.records = append(m.records, batch...)
		if sync == disklog.SyncInterval && n < batches-2 {
			log.SyncNow()
		}
		if sync == disklog.SyncAlways || n < batches-2 {
			m.synced = log.Head().Seq
		}
	}
	m.fs, m.log, m.gen = with(t, contents(t, fs)), newestLog(t, fs), log.Head().Gen
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// walHarms damage a write-ahead log from an offset on.
var walHarms = map[string]func(r *rand.Rand, b []byte, at int) []byte{
	"a bad byte": func(r *rand.Rand, b []byte, at int) []byte { b[at] ^= byte(1 + r.IntN(255)); return b },
	"truncation": func(_ *rand.Rand, b []byte, at int) []byte { return b[:at] },
	"zeros":      func(r *rand.Rand, b []byte, at int) []byte { clear(b[at:min(len(b), at+1+r.IntN(64<<10))]); return b },
	"zeros up to the end": func(_ *rand.Rand, b []byte, at int) []byte {
		clear(b[at:])
		return b
	},
}

// damages calls f with each kind of damage in each tenth of the newest write-ahead log of killed processes. TIDINGS_DAMAGES is the number
// of processes of each kind.
func damages(t *testing.T, f func(what string, m *remains, files map[string]string, r *rand.Rand)) {
	rounds := times("TIDINGS_DAMAGES", 1)
	r := rand.New(rand.NewPCG(repeatable(t), 12))
	for range rounds {
		for _, kind := range []struct {
			name                 string
			sync                 disklog.Sync
			batches, size, bytes int
			memTable             int
		}{
			{"single posts", disklog.SyncAlways, 150, 1, 800, 16 << 20},
			{"single posts and many logs", disklog.SyncAlways, 150, 1, 800, 64 << 10},
			{"batches", disklog.SyncAlways, 12, 200, 400, 16 << 20},
			{"single posts, synced at intervals", disklog.SyncInterval, 150, 1, 800, 16 << 20},
			{"batches, synced at intervals", disklog.SyncInterval, 12, 200, 400, 16 << 20},
			{"single posts and many logs, synced at intervals", disklog.SyncInterval, 150, 1, 800, 64 << 10},
		} {
			m := mustKill(t, r, kind.sync, kind.batches, kind.size, kind.bytes, kind.memTable)
			whole := contents(t, m.fs)
			size := len(strings.TrimRight(whole[m.log], "\x00"))
			for name, harm := range walHarms {
				for tenth := range 10 {
					if r.IntN(2) > 0 || raced && r.IntN(4) > 0 {
						continue // other seeds test the other places
					}
					at := (size*tenth + r.IntN(size)) / 10
					files := maps.Clone(whole)
					files[m.log] = string(harm(r, []byte(whole[m.log]), min(at, size-1)))
					if files[m.log] == whole[m.log] {
						continue
					}
					f(fmt.Sprintf("%s, %s at %d of %d bytes", kind.name, name, at, size), m, files, r)
				}
			}
		}
	}
}

// TestDamageToTheLogOfAKilledProcessIsNeverSilent: the log is refused, or readers get a gap and the operator an error. No number is used
// twice. With SyncInterval, losing records that no sync covered is only a warning.
func TestDamageToTheLogOfAKilledProcessIsNeverSilent(t *testing.T) {
	t.Parallel()
	refused, withGap, n := 0, 0, 0
	damages(t, func(what string, m *remains, files map[string]string, _ *rand.Rand) {
		o := m.open(t, files)
		if o.withoutGap > 0 {
			t.Errorf("%s: %d acknowledged records are missing, without a gap", what, o.withoutGap)
		}
		if o.lost != 0 && !strings.Contains(o.logged, "level=") {
			t.Errorf("%s: records are missing from %d on, and no log line says so", what, o.lost)
		}
		if o.lost != 0 && o.lost <= m.synced && !strings.Contains(o.logged, "level=ERROR") {
			t.Errorf("%s: records are missing from %d on, everything up to %d was synced, and the operator is told only %q",
				what, o.lost, m.synced, o.logged)
		}
		if n++; o.refused {
			refused++
		} else if o.withGap > 0 {
			withGap++
		}
	})
	t.Logf("of %d logs %d were refused, and of %d readers got gaps", n, refused, withGap)
}

// TestTwoBatchesAfterDamageProveThatItWasAcknowledged: this holds without the file acknowledged, as after a power loss, because each batch
// names the newest acknowledged one.
func TestTwoBatchesAfterDamageProveThatItWasAcknowledged(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 13))
	m := mustKill(t, r, disklog.SyncAlways, 20, 200, 400, 16<<20)
	whole := contents(t, m.fs)
	delete(whole, "acknowledged")
	ends := disklog.EntriesOf(m.log, whole[m.log])
	if o := m.open(t, whole); o.refused || o.withGap+o.withoutGap > 0 {
		t.Fatalf("untouched: %+v", o)
	}
	behind := ends[len(ends)-4] // two whole batches follow the block that contains this end
	for range 300 / crashSteps {
		at := ends[0] + r.IntN(behind-ends[0])
		files := maps.Clone(whole)
		files[m.log] = flip(whole[m.log], at)
		if o := m.open(t, files); !o.refused {
			t.Errorf("damaged at %d, and two batches come after %d: %+v", at, behind, o)
		}
	}
}

// TestWithoutAcknowledgedPositionALogBeginsAGeneration: if the file acknowledged is damaged or missing, the log cannot notice a truncated
// write-ahead log. It must neither use numbers twice nor stay silent.
func TestWithoutAcknowledgedPositionALogBeginsAGeneration(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 14))
	for _, sync := range []disklog.Sync{disklog.SyncAlways, disklog.SyncInterval} {
		m := mustKill(t, r, sync, 20, 3, 400, 16<<20)
		whole := contents(t, m.fs)
		noted := whole["acknowledged"]
		foreign := contents(t, mustKill(t, r, sync, 20, 3, 400, 16<<20).fs)["acknowledged"]
		size := len(strings.TrimRight(whole[m.log], "\x00"))
		for i, text := range []string{
			"missing", "", "\x00", strings.Repeat("\x00", len(noted)), noted[:len(noted)/2], strings.Repeat("x", 100), noted + "x",
			flip(noted, r.IntN(len(noted))), flip(noted, 3), flip(noted, len(noted)-2), foreign,
			strings.Replace(noted, "00000 ", "00001 ", 1), strings.ToUpper(noted),
		} {
			for _, tenth := range []int{i % 10, 10} {
				files := maps.Clone(whole)
				files[m.log] = files[m.log][:size*tenth/10]
				if files["acknowledged"] = text; text == "missing" {
					delete(files, "acknowledged")
				} else if text == noted {
					continue
				}
				if o := m.open(t, files); !o.refused && (!o.renewed || !strings.Contains(o.logged, "level=ERROR")) || tenth == 10 && o.lost != 0 && o.lost <= m.synced {
					t.Errorf("with %q and %d tenths of the write-ahead log: %+v", text, tenth, o)
				}
			}
		}
		if o := m.open(t, whole); o.renewed || o.refused {
			t.Errorf("untouched: %+v", o)
		}
	}
}

// TestReadersThatResumeGetAGapForALostRange: a reader without a position gets none, because it asks only for the records that exist.
func TestReadersThatResumeGetAGapForALostRange(t *testing.T) {
	t.Parallel()
	m := mustKill(t, rand.New(rand.NewPCG(repeatable(t), 15)), disklog.SyncAlways, 10, 20, 400, 16<<20)
	files := contents(t, m.fs)
	files[m.log] = files[m.log][:len(strings.TrimRight(files[m.log], "\x00"))/2]
	log := mustOpen(t, remainsDir, remainsOptions(with(t, files)))
	everything := eventlog.Everything()
	seek, err := log.Seek(t.Context(), everything, eventlog.Start{})
	if err != nil {
		t.Fatal(err)
	}
	answer := mustRead(t, log, seek)
	last := eventlog.Position{Gen: log.Head().Gen, Seq: answer.Records[len(answer.Records)-1].Seq}
	if last.Seq >= m.synced || answer.Complete != log.Head() {
		t.Fatalf("a new reader gets records up to %v, of %d, and is at %v", last, m.synced, answer.Complete)
	}
	for _, at := range []uint64{1, last.Seq, m.synced - 1, m.synced} {
		_, err := log.Read(t.Context(), eventlog.Query{Selector: everything, After: eventlog.Position{Gen: last.Gen, Seq: at}})
		gap, ok := errors.AsType[*eventlog.GapError](err)
		if !ok || gap.Reason != eventlog.Rollback || gap.To.Seq < m.synced {
			t.Errorf("a reader that resumes at %d of %d gets %v", at, m.synced, err)
		}
	}
}

func flip(text string, at int) string {
	b := []byte(text)
	b[at] ^= 0x55
	return string(b)
}
