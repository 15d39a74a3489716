//go:build !race

package disklog_test

import (
	"maps"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// placesFS counts the reads at each offset of each table.
type placesFS struct {
	vfs.FS
	mu    sync.Mutex // guards reads
	reads map[readPlace]int
}

type readPlace struct {
	file string
	at   int64
}

func (c *placesFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, opts...)
	if err != nil || !strings.HasSuffix(name, ".sst") {
		return f, err
	}
	return &placesFile{f, c, path.Base(name)}, nil
}

type placesFile struct {
	vfs.File
	fs   *placesFS
	name string
}

func (f *placesFile) ReadAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	f.fs.reads[readPlace{f.name, at}]++
	f.fs.mu.Unlock()
	return f.File.ReadAt(p, at)
}

// TestDamagedBlocksAreReadOnce: Pebble takes half a second per 16 KiB to find that a block is damaged. If the log read a damaged filter again
// for each number, Open would take minutes. Under the race detector it takes seconds for each, so only make log runs this test.
func TestDamagedBlocksAreReadOnce(t *testing.T) {
	t.Parallel()
	m := mustTables(t)
	whole := contents(t, m.fs)
	for _, other := range []string{"e", "i", "s"} {
		files := maps.Clone(whole)
		damaged := make(map[readPlace]string)
		for file, text := range whole {
			if !strings.HasSuffix(file, ".sst") {
				continue
			}
			done := make(map[string]bool)
			for _, b := range blocksOf(t, text) {
				if (b.what == "filter" || b.what == other) && !done[b.what] {
					done[b.what] = true
					damaged[readPlace{file, int64(b.from)}] = b.what
					files[file] = flip(files[file], (b.from+b.to)/2)
				}
			}
		}
		fs := &placesFS{FS: with(t, files), reads: make(map[readPlace]int)}
		log, err := disklog.Open(remainsDir, remainsOptions(fs))
		if err != nil {
			t.Fatalf("filter and %s: %v", other, err)
		}
		for _, topic := range append([]string{""}, m.records[0].Topics...) {
			if _, silent, _, _ := m.compare(t, log, topic); silent > 0 {
				t.Errorf("filter and %s: %d records are missing in %q, without a gap", other, silent, topic)
			}
		}
		mustAppend(t, log, eventlog.Record{Topics: []string{"next"}})
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		met := 0
		for place, what := range damaged {
			if met += fs.reads[place]; fs.reads[place] > 2 { // two goroutines may read it at the same time
				t.Errorf("filter and %s: %s at %v was read %d times", other, what, place, fs.reads[place])
			}
		}
		if met == 0 {
			t.Errorf("filter and %s: none of %v was read", other, damaged)
		}
	}
}
