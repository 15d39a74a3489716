package disklog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// remains are the files of a log that was closed or has crashed, in a file system that a test can change.
type remains struct {
	fs      vfs.FS
	closed  bool
	records []eventlog.Record // acknowledged records
	last    int               // number of records in the last append
	synced  uint64            // after a kill: all records up to this number were synced
	gen     string            // its generation
	log     string            // name of the write-ahead log that has them
}

const remainsDir = "log"

func remainsOptions(fs vfs.FS) *disklog.Options {
	o := faultOptions(fs)
	o.SetMemTable(64 << 10)
	o.Retention = &eventlog.Retention{Bytes: -1, Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("count/*"), Count: 3}}}
	o.TrimOnlyWhenAsked()
	return o
}

func mustRemain(t *testing.T, r *rand.Rand, closed bool) *remains {
	t.Helper()
	fs := vfs.NewCrashableMem()
	m := &remains{closed: closed}
	log, err := disklog.Open(remainsDir, remainsOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	for i, together := 0, 0; i < 40 || together < 4; i++ { // the last records are in one write-ahead log
		if m.log = newestLog(t, fs); i == 20 {
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if log, err = disklog.Open(remainsDir, remainsOptions(fs)); err != nil {
				t.Fatal(err)
			}
		}
		batch := make([]eventlog.Record, 1+r.IntN(10))
		for j := range batch {
			batch[j] = damagedRecord(r, 10*i+j)
		}
		for j, receipt := range mustAppend(t, log, batch...) {
			batch[j].Seq, batch[j].Time = receipt.Seq, receipt.Time
		}
		m.records, m.last = append(m.records, batch...), len(batch)
		if together++; newestLog(t, fs) != m.log {
			together = 0
		}
	}
	m.gen = log.Head().Gen
	if !closed {
		m.fs = fs.CrashClone(vfs.CrashCloneCfg{})
	}
	if closed {
		if err := log.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if closed {
		m.fs = fs
	}
	return m
}

// contents returns the files of the directory.
func contents(t *testing.T, fs vfs.FS) map[string]string {
	t.Helper()
	names, err := fs.List(remainsDir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, name := range names {
		all[name] = string(mustReadFS(t, fs, path.Join(remainsDir, name)))
	}
	return all
}

func mustReadFS(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return text
}

// with returns a file system whose directory has these files.
func with(t *testing.T, files map[string]string) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll(remainsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		f, err := fs.Create(path.Join(remainsDir, name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

func newestLog(t *testing.T, fs vfs.FS) string {
	t.Helper()
	names, err := fs.List(remainsDir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
	return names[len(names)-1]
}

// wreck changes the content of a file. It returns nil to remove the file.
type wreck func(r *rand.Rand, b []byte) []byte

var wrecks = map[string]wreck{
	"lost":  func(*rand.Rand, []byte) []byte { return nil },
	"empty": func(*rand.Rand, []byte) []byte { return []byte{} },
	"short": func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] },
	"a bit": harms["a bit"], "a sector": harms["a sector"], "many bytes": harms["many bytes"],
	"garbage": func(r *rand.Rand, b []byte) []byte {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	},
}

// outcome is the result of opening and reading a log after one of its files was wrecked.
type outcome struct {
	refused    bool
	files      map[string]string // the files afterwards, if the directory was refused
	withGap    int               // unreadable acknowledged records that gaps cover
	withoutGap int               // unreadable acknowledged records that no gap covers
	lost       uint64            // number of the first unreadable acknowledged record; 0: none
	renewed    bool              // the log began a new generation
	logged     string            // warnings and errors in the operator's log
}

func (m *remains) open(t *testing.T, files map[string]string) (o outcome) {
	t.Helper()
	fs := with(t, files)
	var logged bytes.Buffer
	opts := remainsOptions(fs)
	opts.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
	log, err := disklog.Open(remainsDir, opts)
	if err != nil {
		dirErr, ok := errors.AsType[*disklog.DirError](err)
		if !ok || !errors.Is(err, eventlog.ErrCorrupt) || !strings.Contains(dirErr.Remedy, "restore") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open returns %v", err)
		}
		return outcome{refused: true, files: contents(t, fs)}
	}
	o.withGap, o.withoutGap, o.lost, _ = m.compare(t, log, "")
	if o.renewed = log.Head().Gen != m.gen; o.renewed { // every reader with a position gets a gap
		o.withGap, o.withoutGap = o.withGap+o.withoutGap, 0
	}
	newest := m.records[len(m.records)-1].Seq
	next, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"next"}}})
	switch {
	case errors.Is(err, eventlog.ErrUnavailable) && errors.Is(err, eventlog.ErrCorrupt): // the state of the topic is in the damaged block
	case err != nil:
		t.Error(err)
	case o.withoutGap == 0 && !o.renewed && next[0].Seq <= newest:
		t.Errorf("a number comes twice: %d, and %d was the head", next[0].Seq, newest)
	}
	if err := log.Close(); err != nil {
		t.Errorf("Close returns %v", err)
	}
	o.logged = logged.String()
	return o
}

// compare reads a topic, or everything. It returns the numbers of acknowledged records that cannot be read, with and without a gap, the
// first of them, and the gaps.
func (m *remains) compare(t *testing.T, log *disklog.Log, topic string) (withGap, withoutGap int, lost uint64, gaps []eventlog.GapError) {
	t.Helper()
	sel := eventlog.Everything()
	if topic != "" {
		sel = eventlog.Topics(topic)
	}
	seen := make(map[uint64]string)
	var missing [][2]uint64 // after the first number and up to the second
	q := eventlog.Query{Selector: sel}
	for q.After != log.Head() {
		answer, err := log.Read(t.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			missing = append(missing, [2]uint64{q.After.Seq, gap.To.Seq})
			gaps = append(gaps, *gap)
			q = gap.Partial(q)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		for _, rec := range answer.Records {
			seen[rec.Seq] = rec.Data
		}
		q.After = answer.Complete
	}
	for _, rec := range m.records {
		if topic != "" && !slices.Contains(rec.Topics, topic) {
			continue
		}
		data, ok := seen[rec.Seq]
		if !ok && lost == 0 {
			lost = rec.Seq
		}
		switch {
		case ok && data != rec.Data:
			t.Errorf("%d is not what was stored", rec.Seq)
		case !ok && slices.ContainsFunc(missing, func(m [2]uint64) bool { return m[0] < rec.Seq && rec.Seq <= m[1] }):
			withGap++
		case !ok:
			withoutGap++
		}
	}
	return withGap, withoutGap, lost, gaps
}

// TestDamageToAnyFileIsNeverSilent: Pebble 2.1.7 ignores what it cannot read of its manifest and at the end of its write-ahead log. Each
// record of a log that was closed must be readable or covered by a gap, or the directory must be refused. After a crash this holds except
// for the end of two files, see TestDamageAtTheEndAfterACrash.
//
// A refused directory keeps its files. When a table turns out to be damaged, Pebble is already open and has created new files. That loses
// nothing: with the table put back, all records are there.
func TestDamageToAnyFileIsNeverSilent(t *testing.T) {
	t.Parallel()
	seed := repeatable(t)
	rounds := 4
	if raced {
		rounds = 1
	}
	for _, closed := range []bool{true, false} {
		r := rand.New(rand.NewPCG(seed, 2))
		m := mustRemain(t, r, closed)
		whole := contents(t, m.fs)
		if o := m.open(t, whole); o.refused || o.withGap+o.withoutGap > 0 {
			t.Fatalf("untouched: %+v", o)
		}
		for _, file := range slices.Sorted(maps.Keys(whole)) {
			if file == "LOCK" || file == "tidings.json" || !closed && (file == m.log || file == manifest(whole)) {
				continue
			}
			for _, how := range slices.Sorted(maps.Keys(wrecks)) {
				if how != "lost" && whole[file] == "" {
					continue
				}
				if !closed && strings.HasSuffix(file, ".log") && (how == "lost" || how == "empty") {
					continue // the result equals the state before the write, which cannot be detected
				}
				if raced && r.IntN(3) > 0 {
					continue // left to runs without the race detector and to other seeds
				}
				what := fmt.Sprintf("closed: %v, %s: %s", closed, file, how)
				var sum outcome
				refused := 0
				for range rounds {
					files := maps.Clone(whole)
					if text := wrecks[how](r, []byte(files[file])); text == nil {
						delete(files, file)
					} else {
						files[file] = string(text)
					}
					o := m.open(t, files)
					if o.refused {
						refused++
						m.refused(t, what, file, whole[file], files, o.files)
					}
					sum.withGap += o.withGap
					sum.withoutGap += o.withoutGap
				}
				if sum.withoutGap > 0 {
					t.Errorf("%s: %d records are missing, without a gap", what, sum.withoutGap)
				}
				t.Logf("%s: %d of %d refused, %d records told to be lost", what, refused, rounds, sum.withGap)
			}
		}
	}
}

// refused checks the files of a directory that was refused because of one file.
func (m *remains) refused(t *testing.T, what, file, content string, before, after map[string]string) {
	t.Helper()
	if maps.Equal(before, after) {
		return
	}
	if !strings.HasSuffix(file, ".sst") {
		t.Errorf("%s: it was refused, and there was %v and is %v", what, slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
		return
	}
	after[file] = content
	if o := m.open(t, after); o.refused || o.withGap+o.withoutGap > 0 {
		t.Errorf("%s: it was refused; with the table put back: %+v", what, o)
	}
}

// TestDamageAtTheEndAfterACrash: after a power loss no file says how the manifest and the write-ahead log ended. If the last entry of the log is
// damaged, or all bytes from it on are cut off, acknowledged records may be missing without a gap. Damage in the part of the write-ahead log that it
// marks as synced is detected, except in headers of its last block. Damage before the last entry of the manifest is detected, and so are missing
// entries: a mirror was opened without the tables of the last one, kept its newer records, and had a hole in the middle that no hub noticed.
// corrupt_killed_test.go covers what is detected beyond that.
func TestDamageAtTheEndAfterACrash(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 3))
	m := mustRemain(t, r, false)
	whole := contents(t, m.fs)
	for _, file := range []string{m.log, manifest(whole)} {
		text := whole[file]
		ends := disklog.EntriesOf(file, text)
		if len(ends) < 2 || file == m.log && len(ends) < 3 {
			t.Fatalf("%s has %d entries", file, len(ends))
		}
		if file != m.log {
			for _, cut := range ends[:len(ends)-1] {
				short := maps.Clone(whole)
				short[file] = text[:cut]
				if o := m.open(t, short); !o.refused && o.withoutGap > 0 {
					t.Errorf("%s, without the entries after byte %d of %d: %+v", file, cut, len(text), o)
				}
			}
		}
		before, end := ends[len(ends)-2], ends[len(ends)-1]
		shown := before
		if file == m.log { // the part that its last entry shows to have been synced
			shown = min(before, int(binary.LittleEndian.Uint64([]byte(text[headerAfter(before)+11:]))))
		}
		for range 20 {
			at := r.IntN(shown)
			for file == m.log && inHeader(at, ends) {
				at = r.IntN(shown)
			}
			flipped := maps.Clone(whole)
			flipped[file] = flip(text, at)
			if o := m.open(t, flipped); !o.refused {
				t.Errorf("%s, damaged before the end: %+v", file, o)
			} else if !maps.Equal(flipped, o.files) {
				t.Errorf("%s: it was refused, and has changed", file)
			}
			if file != m.log {
				continue
			}
			torn := maps.Clone(whole)
			torn[file] = text[:before+r.IntN(end-before)]
			if o := m.open(t, torn); o.refused || o.withGap != 0 || o.withoutGap > m.last {
				t.Errorf("%s, torn in the last append, of %d records: %+v", file, m.last, o)
			}
		}
	}
}

// headerAfter returns the offset of the next chunk's header. No header crosses the end of a block.
func headerAfter(at int) int {
	const block, header = 32 << 10, 19
	if block-at%block < header {
		return at + block - at%block
	}
	return at
}

// inHeader reports whether a byte of the write-ahead log is in the header of a chunk. Without the header, Pebble skips to the next
// block of 32 KiB. In the last block it then cannot tell whether anything follows.
func inHeader(at int, ends []int) bool {
	begin := at &^ (32<<10 - 1)
	for _, end := range ends {
		if end <= at {
			begin = max(begin, end)
		}
	}
	return at < begin+19+19 // before a header there may be padding, which is shorter than a header
}

// manifest returns the name of the current manifest, among files of a directory with one marker.
func manifest(files map[string]string) string {
	for name := range files {
		if marker, name, _ := strings.Cut(name, "MANIFEST-"); strings.HasPrefix(marker, "marker.manifest.") {
			return "MANIFEST-" + name
		}
	}
	return ""
}
