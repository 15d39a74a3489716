package disklog_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// scrubbed waits until a mirror has read itself, and returns whether it is damaged.
func scrubbed(t *testing.T, log *disklog.Log) bool {
	t.Helper()
	for {
		if done, damaged := log.Checked(); done {
			return damaged
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the mirror has not read itself")
		}
	}
}

// TestMirrorFindsDamageThatNoReaderHasMet: otherwise it would be found when the other copies are gone.
func TestMirrorFindsDamageThatNoReaderHasMet(t *testing.T) {
	t.Parallel()
	d := &damaged{dir: filepath.Join(t.TempDir(), "log"), warnings: make(map[string]int)}
	o := d.options()
	log := mustMirror(t, d.dir, *o)
	o.Mirror = true
	for i := range 300 {
		mustApply(t, log, uint64(1+i), eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(i, faultNoise[:5000])})
	}
	for range 2 { // the second opening finds everything in tables
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		log = mustOpen(t, d.dir, o)
		if scrubbed(t, log) {
			t.Fatal("a sound mirror is called damaged")
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, d.files(t, "*.sst")[0], func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	log = mustOpen(t, d.dir, o)
	if !scrubbed(t, log) {
		t.Error("the damage was not found")
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

// TestMirrorThatCannotReadItselfIsNotCalledChecked: an error that is not damage ended the search, and the mirror was called checked. Damage in the
// rest of it would have stayed unnoticed.
func TestMirrorThatCannotReadItselfIsNotCalledChecked(t *testing.T) {
	t.Parallel()
	dir, fs := t.TempDir(), &unreadableFS{FS: vfs.Default}
	said := make(chan struct{}, 1)
	o := &disklog.Options{Mirror: true, Reserve: -1, Cache: 1 << 20, Logger: slog.New(slog.NewTextHandler(saying{"cannot read itself", said}, nil))}
	o.SetFS(fs)
	log := mustMirror(t, dir, *o)
	const parts = 20 // of what is read at once
	for i := range parts {
		records := make([]eventlog.Record, 200)
		for j := range records {
			records[j] = eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(i, j, faultNoise[i*j:i*j+5000])}
		}
		mustApply(t, log, uint64(1+i*len(records)), records...)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log = mustOpen(t, dir, o)
	fs.all.Store(true)
	<-said
	if done, damaged := log.Checked(); done || damaged {
		t.Errorf("while the disk does not answer: done %v, damaged %v", done, damaged)
	}
	fs.all.Store(false)
	if scrubbed(t, log) {
		t.Error("a sound mirror is called damaged")
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

// saying tells when a text is written.
type saying struct {
	text string
	said chan struct{}
}

func (s saying) Write(b []byte) (int, error) {
	if strings.Contains(string(b), s.text) {
		select {
		case s.said <- struct{}{}:
		default:
		}
	}
	return len(b), nil
}

// TestMirrorCountsAgesByTheClockThatItWasGiven: the clock of its machine was a year ahead, and it trimmed what all others kept.
func TestMirrorCountsAgesByTheClockThatItWasGiven(t *testing.T) {
	t.Parallel()
	log := mustMirror(t, t.TempDir(), disklog.Options{Reserve: -1, Retention: &eventlog.Retention{Rules: []eventlog.Rule{
		{Pattern: eventlog.MustPattern("**"), Age: time.Hour},
	}}})
	at := time.UnixMilli(1_700_000_000_000) // long ago by the clock of the machine
	batch := eventlog.Batch{First: 1, Time: at, Records: []eventlog.Record{{Topics: []string{"news"}, Data: "old"}}}
	if _, err := log.Apply(t.Context(), []eventlog.Batch{batch}, nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		clock time.Time // zero: the mirror has none yet
		want  int64
	}{{time.Time{}, 1}, {at.Add(59 * time.Minute), 1}, {at.Add(61 * time.Minute), 0}} {
		if !step.clock.IsZero() {
			log.SetClock(func() time.Time { return step.clock })
		}
		if err := log.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := log.Bounds().Events; got != step.want {
			t.Errorf("at %v there are %d records, want %d", step.clock, got, step.want)
		}
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}
