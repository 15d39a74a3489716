package disklog_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// damaged is a log with damaged files, and the records that were stored in it.
type damaged struct {
	dir     string
	records []eventlog.Record
	rules   *eventlog.Retention
	how     strictness

	mu       sync.Mutex
	warnings map[string]int // number of logged errors per file
}

// mustStored returns a log with many tables.
func mustStored(t *testing.T, r *rand.Rand) *damaged {
	t.Helper()
	d := &damaged{dir: filepath.Join(t.TempDir(), "log"), warnings: make(map[string]int)}
	d.rules = &eventlog.Retention{Rules: []eventlog.Rule{
		{Pattern: eventlog.MustPattern("count/*"), Count: 50},
		{Pattern: eventlog.MustPattern("**"), Age: time.Hour},
	}}
	log, err := disklog.Open(d.dir, d.options())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 150 {
		if i == 75 { // so that there are several generations of tables
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if log, err = disklog.Open(d.dir, d.options()); err != nil {
				t.Fatal(err)
			}
		}
		batch := make([]eventlog.Record, 10)
		for j := range batch {
			batch[j] = damagedRecord(r, i*10+j)
		}
		for j, receipt := range mustAppend(t, log, batch...) {
			batch[j].Seq, batch[j].Time = receipt.Seq, receipt.Time
		}
		d.records = append(d.records, batch...)
	}
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

func damagedRecord(r *rand.Rand, n int) eventlog.Record {
	at := r.IntN(len(faultNoise) - 2000)
	rec := eventlog.Record{
		Topics: []string{fmt.Sprintf("topic/%d", n%40)},
		Data:   fmt.Sprintf("record %d %s", n, faultNoise[at:at+200+r.IntN(1200)]),
	}
	switch n % 10 {
	case 0:
		rec.Topics = append(rec.Topics, fmt.Sprintf("count/%d", n%3))
	case 1:
		rec.Key = fmt.Sprintf("key %d", n)
	case 2:
		rec.ID = fmt.Sprintf("id %d", n)
	}
	if n%97 == 0 {
		rec.Topics[0] = fmt.Sprintf("rare/%d", n)
	}
	return rec
}

func (d *damaged) options() *disklog.Options {
	o := faultOptions(nil)
	o.Retention, o.Cache = d.rules, 1
	o.Logger = slog.New(&damageLog{d: d})
	o.TrimOnlyWhenAsked()
	return o
}

// damageLog counts what a log reports about damaged files.
type damageLog struct {
	slog.Handler
	d *damaged
}

func (l *damageLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (l *damageLog) Handle(_ context.Context, r slog.Record) error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	file := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "file" {
			file = a.Value.String()
		}
		return true
	})
	l.d.warnings[file]++
	return nil
}

// files returns the files that match a pattern, the largest first.
func (d *damaged) files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(d.dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(size(b), size(a)) })
	return names
}

// snapshot returns the content of all files.
func (d *damaged) snapshot(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, name := range d.files(t, "*") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

// restore restores all files.
func (d *damaged) restore(t *testing.T, files map[string]string) {
	t.Helper()
	now := d.snapshot(t)
	for name := range now {
		if _, ok := files[name]; !ok {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range files {
		if before, ok := now[name]; !ok || before != text {
			mustWrite(t, name, text)
		}
	}
	clear(d.warnings)
}

// change changes the content of a file.
func change(t *testing.T, name string, f func([]byte) []byte) {
	t.Helper()
	was, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, name, string(f(was)))
}

// damageReader has the records and gaps of a reader that continues after gaps.
type damageReader struct {
	records []eventlog.Record
	gaps    []eventlog.GapError
}

// read reads all records that a selector selects.
func (d *damaged) read(t *testing.T, log *disklog.Log, sel eventlog.Selector, limit int) (r damageReader) {
	t.Helper()
	q := eventlog.Query{Selector: sel, Limit: limit}
	for range 10_000 {
		answer, err := log.Read(t.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			if gap.To.Seq <= max(q.Told, q.After.Seq) {
				t.Fatalf("a reader at %v who was told up to %d is told of %v", q.After, q.Told, gap)
			}
			r.gaps = append(r.gaps, *gap)
			q = gap.Partial(q)
			continue
		} else if err != nil {
			t.Fatalf("reading %v after %v: %v", sel.Names(), q.After, err)
		}
		r.records = append(r.records, answer.Records...)
		if q.After = answer.Complete; q.After == log.Head() {
			return r
		}
	}
	t.Fatalf("reading %v does not end: %v", sel.Names(), q.After)
	return r
}

// strictness says which gaps are allowed.
type strictness int

const (
	exact   strictness = iota // only readers that miss records get gaps
	careful                   // other readers may get gaps, because index and records may be damaged
	trimmed                   // unreadable records may have been trimmed since
)

// check compares the records that can be read with those that were stored. It returns the numbers of unreadable records.
func (d *damaged) check(t *testing.T, log *disklog.Log, how strictness) (lost map[uint64]bool) {
	t.Helper()
	d.how = how
	lost = d.missing(t, d.read(t, log, eventlog.Everything(), 0), func(*eventlog.Record) bool { return true }, nil)
	topics := make(map[string]bool)
	for i, rec := range d.records {
		if raced && i%4 > 0 {
			continue
		}
		for _, topic := range rec.Topics {
			topics[topic] = true
		}
	}
	for topic := range topics {
		if strings.HasPrefix(topic, "count/") {
			continue // most of it was trimmed
		}
		r := d.read(t, log, eventlog.Topics(topic), 1+len(topic)%20)
		d.missing(t, r, func(rec *eventlog.Record) bool { return slices.Contains(rec.Topics, topic) }, lost)
	}
	for _, pattern := range []string{"topic/*", "rare/**", "topic/7"} {
		p := eventlog.MustPattern(pattern)
		r := d.read(t, log, eventlog.Select(nil, p), 0)
		d.missing(t, r, func(rec *eventlog.Record) bool { return slices.ContainsFunc(rec.Topics, p.Match) }, nil)
	}
	d.seek(t, log)
	return lost
}

// missing checks the answers that a reader got. known, if not nil, are the unreadable records: a reader that selects none of them must not
// get a gap.
func (d *damaged) missing(t *testing.T, r damageReader, want func(*eventlog.Record) bool, known map[uint64]bool) map[uint64]bool {
	t.Helper()
	got := make(map[uint64]*eventlog.Record)
	last := uint64(0)
	for i := range r.records {
		rec := &r.records[i]
		if rec.Seq <= last {
			t.Fatalf("%d comes after %d", rec.Seq, last)
		}
		got[rec.Seq], last = rec, rec.Seq
	}
	lost, affected := make(map[uint64]bool), false
	for i := range d.records {
		rec := &d.records[i]
		if !want(rec) {
			continue
		}
		affected = affected || known[rec.Seq]
		switch there := got[rec.Seq]; {
		case there == nil:
			lost[rec.Seq] = true
			told := func(g eventlog.GapError) bool {
				return (g.Reason == eventlog.Corrupt || d.how == trimmed) && g.To.Seq >= rec.Seq
			}
			if !slices.ContainsFunc(r.gaps, told) {
				t.Errorf("%d is missing, and readers get only %v", rec.Seq, r.gaps)
			}
			if known != nil && !known[rec.Seq] {
				t.Errorf("%d, in %v, is missing, and can be read", rec.Seq, rec.Topics)
			}
		case there.Data != rec.Data || !there.Time.Equal(rec.Time) || !slices.Equal(there.Topics, rec.Topics):
			t.Errorf("%d is not what was stored", rec.Seq)
		}
	}
	if d.how == exact && known != nil && !affected && len(r.gaps) > 0 {
		t.Errorf("no record is missing, and readers get %v", r.gaps)
	}
	return lost
}

// seek checks Seek. Unreadable records do not count.
func (d *damaged) seek(t *testing.T, log *disklog.Log) {
	t.Helper()
	for _, start := range []eventlog.Start{{Last: 5}, {Last: 1000}, {Since: d.records[len(d.records)/2].Time}, {}} {
		for _, sel := range []eventlog.Selector{
			eventlog.Everything(), eventlog.Topics("topic/3"), eventlog.Select(nil, eventlog.MustPattern("topic/*")),
			eventlog.Topics("topic/3", "topic/4").Filter(func(r *eventlog.Record) bool { return r.Seq%2 == 0 }),
		} {
			if _, err := log.Seek(t.Context(), sel, start); err != nil {
				t.Errorf("seeking %+v of %v: %v", start, sel.Names(), err)
			}
		}
	}
}

const damageAppends = 60

// appendAndTrim appends to all topics and applies retention. Only appends that depend on damaged data may be refused.
func (d *damaged) appendAndTrim(t *testing.T, log *disklog.Log) (refused int) {
	t.Helper()
	for i := range damageAppends {
		rec := damagedRecord(rand.New(rand.NewPCG(1, 1)), i)
		rec.Key = ""
		if _, err := log.Append(t.Context(), []eventlog.Record{rec}); errors.Is(err, eventlog.ErrUnavailable) && errors.Is(err, eventlog.ErrCorrupt) {
			refused++
		} else if err != nil {
			t.Errorf("appending to %v: %v", rec.Topics, err)
		}
	}
	if err := log.Trim(t.Context()); err != nil && !errors.Is(err, eventlog.ErrCorrupt) {
		t.Errorf("trimming: %v", err)
	}
	return refused
}

// harms are ways to damage a table.
var harms = map[string]func(r *rand.Rand, b []byte) []byte{
	"a bit": func(r *rand.Rand, b []byte) []byte {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		return b
	},
	"a byte": func(r *rand.Rand, b []byte) []byte {
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		return b
	},
	"a sector": func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(len(b)) &^ 511
		clear(b[at:min(at+512, len(b))])
		return b
	},
	"many bytes": func(r *rand.Rand, b []byte) []byte {
		for range 10 {
			b[r.IntN(len(b))] ^= 0x55
		}
		return b
	},
}

// TestDamageIsAGapForItsReaders damages tables at random places.
func TestDamageIsAGapForItsReaders(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 1))
	d := mustStored(t, r)
	whole := d.snapshot(t)
	for name, harm := range harms {
		rounds := 4
		if raced {
			rounds = 1
		}
		opened, lost, refused := 0, 0, 0
		for range rounds {
			tables := d.files(t, "*.sst")
			change(t, tables[r.IntN(min(len(tables), 6))], func(b []byte) []byte { return harm(r, b) })
			if log, err := disklog.Open(d.dir, d.options()); err != nil {
				wantCorrupt(t, err)
			} else {
				opened++
				how := careful
				if name == "a bit" || name == "a byte" { // damages one block only
					how = exact
				}
				lost += len(d.check(t, log, how))
				refused += d.appendAndTrim(t, log)
				d.check(t, log, trimmed)
				if err := log.Close(); err != nil {
					t.Errorf("Close returns %v", err)
				}
			}
			for file, n := range d.warnings {
				if n > 1 {
					t.Errorf("the damage was logged %d times: %s", n, file)
				}
			}
			d.restore(t, whole)
		}
		t.Logf("%s: %d of %d logs could be opened; they have lost %d records, and refused %d appends of %d",
			name, opened, rounds, lost, refused, opened*damageAppends)
	}
}

func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	if dirErr, ok := errors.AsType[*disklog.DirError](err); !ok || !errors.Is(err, eventlog.ErrCorrupt) || !strings.Contains(dirErr.Remedy, "restore") {
		t.Errorf("Open returns %v", err)
	}
}
