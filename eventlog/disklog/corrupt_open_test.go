package disklog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestWhatALogNeedsToOpenIsSaidAndNotMadeWorse: files are damaged or lost without which the store cannot be opened. When
// they are put back everything is there.
func TestWhatALogNeedsToOpenIsSaidAndNotMadeWorse(t *testing.T) {
	t.Parallel()
	d := mustStored(t, rand.New(rand.NewPCG(repeatable(t), 1)))
	whole := d.snapshot(t)
	remove := func(t *testing.T, name string) {
		t.Helper()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	half := func(t *testing.T, name string) { change(t, name, func(b []byte) []byte { return b[:len(b)/2] }) }
	zeros := func(t *testing.T, name string) { change(t, name, func(b []byte) []byte { clear(b); return b }) }
	early := func(t *testing.T, name string) {
		change(t, name, func(b []byte) []byte { b[len(b)/10] ^= 4; return b })
	}
	for what, harm := range map[string]struct {
		files string
		do    func(t *testing.T, name string)
	}{
		"the marker is missing":     {"marker.manifest.*", remove},
		"the manifest is missing":   {"MANIFEST-*", remove},
		"the manifest is empty":     {"MANIFEST-*", func(t *testing.T, name string) { mustWrite(t, name, "") }},
		"the manifest is of zeros":  {"MANIFEST-*", zeros},
		"the manifest is damaged":   {"MANIFEST-*", early},
		"a table is missing":        {"*.sst", remove},
		"a table is cut off":        {"*.sst", half},
		"a table is empty":          {"*.sst", func(t *testing.T, name string) { mustWrite(t, name, "") }},
		"a table is of zeros":       {"*.sst", zeros},
		"a table is something else": {"*.sst", func(t *testing.T, name string) { mustWrite(t, name, strings.Repeat("something else ", 1000)) }},
	} {
		harm.do(t, d.files(t, harm.files)[0])
		log, err := disklog.Open(d.dir, d.options())
		if err == nil {
			lost := d.check(t, log) // which looks whether each loss is told
			t.Logf("%s: opened, with %d records lost", what, len(lost))
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		} else {
			wantCorrupt(t, err)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: an error of several lines: %v", what, err)
			}
			t.Logf("%s: %v", what, err)
			for name, text := range whole { // what was harmed is put back, and nothing else
				if now, err := os.ReadFile(name); errors.Is(err, os.ErrNotExist) || filepath.Base(name) == filepath.Base(d.harmed(name, harm.files)) && string(now) != text {
					mustWrite(t, name, text)
				}
			}
			log := mustOpen(t, d.dir, d.options())
			if lost := d.check(t, log); len(lost) > 0 {
				t.Errorf("%s, and was put back: %d records are lost", what, len(lost))
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}
		d.restore(t, whole)
	}
}

// harmed returns the name if a pattern matches it.
func (d *damaged) harmed(name, pattern string) string {
	if ok, err := filepath.Match(pattern, filepath.Base(name)); err == nil && ok {
		return name
	}
	return ""
}

// TestDamageInTheStoresLogIsNoEndOfIt: what was appended and is not in a table yet is read from Pebble's own log when the process has ended without
// closing it. That is cut off where the power went, and nothing is wrong with that; where it is damaged before, acknowledged
// records are behind. Pebble can tell the two apart for all but the last blocks of its log, of 32 KiB.
func TestDamageInTheStoresLogIsNoEndOfIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 1))
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	const n = 400
	for i := range n {
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprintf("%0400d", i)})
	}
	for i := range 20 {
		copied := fmt.Sprintf("%s.%d", dir, i)
		mustCopy(t, dir, copied)
		logs, err := filepath.Glob(filepath.Join(copied, "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatal(logs, err)
		}
		change(t, logs[len(logs)-1], func(b []byte) []byte {
			b[r.IntN(len(strings.TrimRight(string(b), "\x00"))-64<<10)] ^= byte(1 + r.IntN(255))
			return b
		})
		log, err := disklog.Open(copied, nil)
		if err != nil {
			wantCorrupt(t, err)
			continue
		}
		if b := log.Bounds(); b.Events != n || b.Head.Seq != n {
			t.Errorf("the log was opened, with %+v", b)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}
