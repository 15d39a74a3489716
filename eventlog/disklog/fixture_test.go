package disklog_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// fixture was written by an older version, see testdata/format1/README.md.
type fixture struct {
	Bounds  eventlog.Bounds
	At      time.Time
	Records []eventlog.Record
	Trimmed eventlog.Position
	Ended   string
	Key     eventlog.Record
	First   uint64
	ID      string
	IDAt    uint64
}

// mustFixture returns a fixture and a copy of its directory that counts as the original.
func mustFixture(t *testing.T, name string) (f fixture, dir string) {
	t.Helper()
	from := filepath.Join("testdata", name)
	text, err := os.ReadFile(filepath.Join(from, "want.json"))
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "log")
	mustCopy(t, filepath.Join(from, "log"), dir)
	identity := filepath.Join(dir, "tidings.json")
	there := disklog.Fingerprint(identity)
	if born := regexp.MustCompile(`born`); born.MatchString(there) { // other file systems have other fingerprints
		form := regexp.MustCompile(`inode \d+ born \d+\.\d{9}, in inode \d+ born \d+\.\d{9}, machine [0-9a-f]*"\n`)
		if !form.MatchString(string(mustReadFile(t, identity))) || !form.MatchString(there+"\"\n") {
			t.Errorf("the form of fingerprints has changed, %q: logs of the previous version would begin a generation", there)
		}
	}
	change(t, identity, func(b []byte) []byte {
		return regexp.MustCompile(`"fingerprint": ".*"`).ReplaceAll(b, []byte(`"fingerprint": "`+there+`"`))
	})
	return f, dir
}

func mustReadFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLogOfThePreviousVersionOpens with the same generation, positions, ends and keys, for logs that were closed and logs that were killed.
func TestLogOfThePreviousVersionOpens(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"format1/closed", "format1/killed"} {
		f, dir := mustFixture(t, name)
		o := &disklog.Options{
			Reserve: -1, Now: func() time.Time { return f.At.Add(time.Hour) },
			Retention: &eventlog.Retention{Rules: []eventlog.Rule{
				{Pattern: eventlog.MustPattern("count/*"), Count: 3},
				{Pattern: eventlog.MustPattern("latest/*"), Latest: 1},
			}},
		}
		log := mustOpen(t, dir, o)
		if err := log.Trim(t.Context()); err != nil { // trimming is not synced, and is repeated after a kill
			t.Fatal(err)
		}
		if b := log.Bounds(); b != f.Bounds {
			t.Errorf("%s: the bounds are %+v, and were %+v", name, b, f.Bounds)
		}
		f.check(t, name, log)
		next := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})[0]
		if next.Gen != f.Bounds.Head.Gen || next.Seq != f.Bounds.Head.Seq+1 {
			t.Errorf("%s: the head was %v, and the next record is at %v", name, f.Bounds.Head, next.Position)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if head := mustOpen(t, dir, o).Head(); head != next.Position {
			t.Errorf("%s: opened again, the head is %v", name, head)
		}
	}
}

// check compares the log's answers with those of the older version.
func (f *fixture) check(t *testing.T, name string, log *disklog.Log) {
	t.Helper()
	var got []eventlog.Record
	for q := (eventlog.Query{Selector: eventlog.Everything(), Told: ^uint64(0)}); q.After != log.Head(); {
		answer := mustRead(t, log, q)
		got = append(got, answer.Records...)
		q.After = answer.Complete
	}
	if diff := cmp.Diff(f.Records, got); diff != "" {
		t.Errorf("%s: records (-want +got):\n%s", name, diff)
	}
	_, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("count/a")})
	if gap, ok := errors.AsType[*eventlog.GapError](err); !ok || gap.Reason != eventlog.Trimmed || gap.To != f.Trimmed {
		t.Errorf("%s: a reader of a trimmed topic gets %v, want a gap up to %v", name, err, f.Trimmed)
	}
	middle := slices.IndexFunc(f.Records, func(r eventlog.Record) bool { return r.Seq > f.Trimmed.Seq })
	after := eventlog.Position{Gen: f.Trimmed.Gen, Seq: f.Records[middle].Seq}
	if rest := mustRead(t, log, eventlog.Query{Selector: eventlog.Everything(), After: after}).Records; len(rest) != len(f.Records)-middle-1 {
		t.Errorf("%s: a reader at %v gets %d records, want %d", name, after, len(rest), len(f.Records)-middle-1)
	}
	_, err = log.Append(t.Context(), []eventlog.Record{{Topics: []string{f.Ended}}})
	if _, ok := errors.AsType[*eventlog.EndedError](err); !ok {
		t.Errorf("%s: appending to a topic that has ended: %v", name, err)
	}
	if again := mustAppend(t, log, f.Key)[0]; !again.Duplicate || again.Seq != f.First {
		t.Errorf("%s: the repeated key of %d gets %+v", name, f.First, again)
	}
	other := f.Key
	other.Data = "other"
	_, err = log.Append(t.Context(), []eventlog.Record{other})
	if used, ok := errors.AsType[*eventlog.KeyError](err); !ok || used.First.Seq != f.First {
		t.Errorf("%s: the key with other content: %v", name, err)
	}
	if at, ok, err := log.Lookup(t.Context(), f.ID); err != nil || !ok || at.Seq != f.IDAt {
		t.Errorf("%s: the record with ID %q is at %v, %v, want %d", name, f.ID, at, err, f.IDAt)
	}
}
