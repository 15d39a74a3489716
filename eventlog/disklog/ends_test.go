package disklog_test

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestEndsOfThePreviousVersionHold: the previous version had no table of ends. Its ends hold for a week from the time of their records, even
// after the limit of bytes has trimmed these. Then the names can be used again.
func TestEndsOfThePreviousVersionHold(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"format1/closed", "format1/killed"} {
		f, dir := mustFixture(t, name)
		late := time.Hour
		o := &disklog.Options{Reserve: -1, Now: func() time.Time { return f.At.Add(late) }, Retention: &eventlog.Retention{Events: 1}}
		holds := func(log *disklog.Log, want bool) {
			t.Helper()
			end, err := log.End(t.Context(), f.Ended)
			if err != nil || end.IsZero() == want {
				t.Errorf("%s: after %v the topic ended at %v, %v", name, late, end, err)
			}
		}
		log := mustOpen(t, dir, o)
		holds(log, true)
		if err := log.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if records := mustRead(t, log, eventlog.Query{Selector: eventlog.Topics(f.Ended), Told: ^uint64(0)}).Records; len(records) > 0 {
			t.Fatalf("%s: the end is still there: %+v", name, records)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		log = mustOpen(t, dir, o)
		holds(log, true)
		if _, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{f.Ended}}}); !errors.Is(err, eventlog.ErrEnded) {
			t.Errorf("%s: appending to the topic: %v", name, err)
		}
		late = 8 * 24 * time.Hour
		holds(log, false)
		mustAppend(t, log, eventlog.Record{Topics: []string{f.Ended}})
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		mustPassCheck(t, dir)
	}
}

// TestEndsFollowTheRecordsAfterADowngrade: an older version appends without the table of ends, and leaves out the count of ends that this version
// writes. The table is made again from the records.
func TestEndsFollowTheRecordsAfterADowngrade(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	mustAppend(t, log, eventlog.Record{Topics: []string{"story", "other"}, Flags: eventlog.End})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}, FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	head, closer, err := db.Get([]byte("mhead"))
	if err != nil {
		t.Fatal(err)
	}
	older := append([]byte{}, head[:len(head)-1]...) // without the last number, which is small
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	gone := append([]byte("zstory"), 0, 1)
	stale := append([]byte("zstale"), 0, 1)
	err = errors.Join(
		db.Set([]byte("mhead"), older, nil),
		db.Delete(gone, nil),
		db.Set(stale, binary.AppendUvarint(binary.AppendUvarint(nil, 1), uint64(time.Now().UnixMilli())), nil),
		db.Close())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "owner")); err != nil { // it holds the size of the old manifest
		t.Fatal(err)
	}
	log = mustOpen(t, dir, &disklog.Options{Logger: slog.New(slog.DiscardHandler)})
	for topic, want := range map[string]bool{"story": true, "other": true, "stale": false} {
		if end, err := log.End(t.Context(), topic); err != nil || end.IsZero() == want {
			t.Errorf("topic %q ended at %v, %v", topic, end, err)
		}
	}
}

// TestExpiredEndStaysSoUnderALongerAge: a topic that had begun again ended once more after a restart, with its old end.
func TestExpiredEndStaysSoUnderALongerAge(t *testing.T) {
	t.Parallel()
	dir, now := filepath.Join(t.TempDir(), "log"), time.Now().Add(-48*time.Hour)
	open := func(age time.Duration) *disklog.Log {
		o := &disklog.Options{Now: func() time.Time { return now }, Retention: &eventlog.Retention{
			Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Age: age}},
		}}
		o.TrimOnlyWhenAsked()
		return mustOpen(t, dir, o)
	}
	log := open(time.Hour)
	mustAppend(t, log, eventlog.Record{Topics: []string{"a", "b"}, Flags: eventlog.End})
	now = now.Add(2 * time.Hour)
	mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log = open(24 * time.Hour)
	if end, err := log.End(t.Context(), "a"); err != nil || !end.IsZero() {
		t.Errorf("the topic that has begun again ended at %v, %v", end, err)
	}
	mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})
	if end, err := log.End(t.Context(), "b"); err != nil || end.Seq != 1 { // no record follows
		t.Errorf("the other topic ended at %v, %v", end, err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	mustPassCheck(t, dir)
}
