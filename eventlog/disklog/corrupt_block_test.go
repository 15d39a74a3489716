//go:build !race

package disklog_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// tableBlock is a block of a table.
type tableBlock struct {
	from, to int
	what     string // the kinds of keys in it, by their first byte, or Pebble's name for it
}

// blocksOf returns the blocks of a table.
func blocksOf(t *testing.T, table string) (blocks []tableBlock) {
	t.Helper()
	r := mustTable(t, table)
	defer func() { _ = r.Close() }()
	layout, err := r.Layout()
	if err != nil {
		t.Fatal(err)
	}
	add := func(what string, offset, length uint64) {
		if length > 0 {
			blocks = append(blocks, tableBlock{int(offset), int(offset + length), what})
		}
	}
	for _, b := range layout.Data {
		add(kindsIn(t, table, int(b.Offset+b.Length/2)), b.Offset, b.Length)
	}
	for _, b := range layout.Index {
		add("index", b.Offset, b.Length)
	}
	for _, b := range layout.Filter {
		add("filter", b.Offset, b.Length)
	}
	add("properties", layout.Properties.Offset, layout.Properties.Length)
	add("metaindex", layout.MetaIndex.Offset, layout.MetaIndex.Length)
	add("footer", layout.Footer.Offset, layout.Footer.Length)
	return blocks
}

func mustTable(t *testing.T, table string) *sstable.Reader {
	t.Helper()
	r, err := sstable.NewMemReader([]byte(table), (&pebble.Options{}).MakeReaderOptions())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kindsIn returns the kinds of keys that cannot be read after a byte of a table was changed.
func kindsIn(t *testing.T, table string, at int) (kinds string) {
	t.Helper()
	r := mustTable(t, flip(table, at))
	defer func() { _ = r.Close() }()
	for _, kind := range "deghikmnpsx" {
		it, err := r.NewIter(sstable.NoTransforms, []byte{byte(kind)}, []byte{byte(kind) + 1}, sstable.AssertNoBlobHandles)
		if err != nil {
			t.Fatal(err)
		}
		for kv := it.First(); kv != nil; kv = it.Next() {
			continue
		}
		if it.Error() != nil {
			kinds += string(kind)
		}
		_ = it.Close() // returns the same error
	}
	return kinds
}

// mustTables returns a log with a large table that has blocks of most kinds of keys.
func mustTables(t *testing.T) *remains {
	t.Helper()
	m := &remains{closed: true, fs: vfs.NewMem()}
	o := remainsOptions(m.fs)
	o.SetMemTable(4 << 20)
	log, err := disklog.Open(remainsDir, o)
	if err != nil {
		t.Fatal(err)
	}
	noise := func(n int) string { return fmt.Sprintf("%x", faultNoise[n*100:n*100+75]) }
	for i := range 20 {
		batch := make([]eventlog.Record, 100)
		for j := range batch {
			n := 100*i + j
			batch[j] = eventlog.Record{Topics: []string{fmt.Sprintf("topic/%d-%s", n%100, noise(n%100))}, Data: noise(n % 600)}
			switch n % 4 {
			case 0:
				batch[j].Topics = append(batch[j].Topics, fmt.Sprintf("count/%d-%s", n%280, noise(n%280)))
			case 1:
				batch[j].Key = fmt.Sprintf("%d-%s", n, noise(n%600))
			case 2:
				batch[j].ID = fmt.Sprintf("%d-%s", n, noise(n%600))
			}
		}
		for j, receipt := range mustAppend(t, log, batch...) {
			batch[j].Seq, batch[j].Time = receipt.Seq, receipt.Time
		}
		m.records = append(m.records, batch...)
	}
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 { // each Open flushes the write-ahead log to a table
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if log, err = disklog.Open(remainsDir, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDamagedBlockLosesOnlyItsContent damages each block of the tables in turn. Only records in the damaged block may be lost. One goroutine does
// all of it, and under the race detector it takes 20 s of a core, so only make log runs it.
func TestDamagedBlockLosesOnlyItsContent(t *testing.T) {
	t.Parallel()
	m := mustTables(t)
	whole := contents(t, m.fs)
	topics := make(map[string]bool)
	for _, rec := range m.records[:60] {
		for _, topic := range rec.Topics {
			topics[topic] = true
		}
	}
	met := make(map[string]int)
	for _, file := range slices.Sorted(maps.Keys(whole)) {
		if !strings.HasSuffix(file, ".sst") {
			continue
		}
		for _, b := range blocksOf(t, whole[file]) {
			if met[b.what]++; met[b.what] > 2 {
				continue
			}
			files := maps.Clone(whole)
			files[file] = flip(whole[file], (b.from+b.to)/2)
			fs := with(t, files)
			log, err := disklog.Open(remainsDir, remainsOptions(fs))
			what := fmt.Sprintf("%s, block %d to %d (%s)", file, b.from, b.to, b.what)
			if err != nil {
				if wantCorrupt(t, err); len(b.what) == 1 && b.what != "m" {
					t.Errorf("%s: Open returns %v", what, err)
				}
				continue
			}
			told, silent, _, _ := m.compare(t, log, "")
			if silent > 0 || b.what == "e" && told == 0 || len(b.what) == 1 && b.what != "e" && told > 0 {
				t.Errorf("%s: of all records %d are covered by gaps, and %d are missing", what, told, silent)
			}
			for topic := range topics {
				count := strings.HasPrefix(topic, "count/")
				gone, silent, _, gaps := m.compare(t, log, topic)
				switch {
				case silent > 0:
					t.Errorf("%s: %s: %d records are missing, without a gap", what, topic, silent)
				case count && b.what == "s" && len(gaps) == 0:
					t.Errorf("%s: readers of %s, which was trimmed, get no gap", what, topic)
				case !count && len(b.what) == 1 && b.what != "e" && b.what != "s" && len(gaps) > 0:
					t.Errorf("%s: %s: readers get %v", what, topic, gaps)
				case b.what == "e" && !count && (gone == 0) != (len(gaps) == 0):
					t.Errorf("%s: %s: %d are missing, and readers get %v", what, topic, gone, gaps)
				}
				for _, gap := range gaps {
					if !count && gap.Reason != eventlog.Corrupt {
						t.Errorf("%s: %s: readers get %v", what, topic, gap)
					}
				}
			}
			if err := log.Close(); err != nil {
				t.Errorf("%s: Close returns %v", what, err)
			}
		}
	}
	for _, what := range []string{"e", "i", "s", "k", "index", "filter", "properties", "metaindex", "footer"} {
		if met[what] == 0 {
			t.Errorf("the tables have no block of %s: %v", what, met)
		}
	}
	t.Logf("blocks: %v", met)
}
