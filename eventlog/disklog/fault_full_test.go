package disklog_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestAppendIsRefusedBelowTheReserve: appends are refused before anything is written, so that trimming has space. Trimming and reading
// continue. Appends succeed again when there is enough free space.
func TestAppendIsRefusedBelowTheReserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := newFaultFS(vfs.NewCrashableMem())
		fs.setFree(1 << 30)
		o := faultOptions(fs)
		var logged strings.Builder // the log entries, all from spaceLoop
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		o.Reserve = 100 << 20
		o.Retention = &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Age: time.Hour}}}
		log := mustOpen(t, "log", o)
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "old"})
		time.Sleep(50 * time.Minute)
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "young"})

		fs.setFree(99 << 20)
		time.Sleep(2 * time.Second)
		fs.begin(fault{kind: "none"})
		for range 10 {
			_, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"news"}, Data: "hello"}})
			const what = "its disk has 99 MiB free and 100 MiB are reserved, so nothing was stored; free disk space, or let retention keep less"
			if !errors.Is(err, eventlog.ErrUnavailable) || !strings.Contains(err.Error(), what) {
				t.Fatalf("below the reserve Append returns %v", err)
			}
		}
		if err := log.Skip(t.Context(), 100, eventlog.Rollback); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("below the reserve Skip returns %v", err)
		}
		if n := fs.counted()[""]; n != 0 {
			t.Errorf("refused appends have changed the disk %d times: %v", n, fs.counted())
		}
		if n := len(mustRead(t, log, eventlog.Query{Selector: eventlog.Everything()}).Records); n != 2 {
			t.Errorf("below the reserve %d records can be read, want 2", n)
		}
		time.Sleep(20 * time.Minute)
		if b := log.Bounds(); b.Events != 1 || b.Trimmed != 1 {
			t.Errorf("below the reserve nothing is trimmed: %+v", b)
		}

		fs.setFree(100 << 20)
		time.Sleep(2 * time.Second)
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "hello"})
		synctest.Wait()
		for _, line := range []string{"the log accepts no records until there is more free space", "has enough free space again"} {
			if n := strings.Count(logged.String(), line); n != 1 {
				t.Errorf("%q was said %d times:\n%s", line, n, &logged)
			}
		}
	})
}

// TestOpenOnADiskBelowTheReserve: only an open log can be trimmed.
func TestOpenOnADiskBelowTheReserve(t *testing.T) {
	t.Parallel()
	fs := newFaultFS(vfs.NewMem())
	fs.setFree(1)
	o := faultOptions(fs)
	o.Reserve = 0 // 256 MiB
	log := mustOpen(t, "log", o)
	if _, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"news"}}}); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("Append returns %v", err)
	}
	fs.setFree(1 << 30)
	if err := log.LookAtSpace(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
}
