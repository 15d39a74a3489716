package disklog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestRestoredBeginsAGeneration for logs whose identity is intact, damaged or missing.
func TestRestoredBeginsAGeneration(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, identity string){
		"as it was": func(*testing.T, string) {},
		"garbage":   func(t *testing.T, identity string) { mustWrite(t, identity, "garbage") },
		"lost": func(t *testing.T, identity string) {
			if err := os.Remove(identity); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := filepath.Join(t.TempDir(), "log")
		at := mustLog(t, dir)
		damage(t, filepath.Join(dir, "tidings.json"))
		gen, err := disklog.Restored(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if head := mustOpen(t, dir, nil).Head(); gen == at.Gen || head != (eventlog.Position{Gen: gen, Seq: at.Seq}) {
			t.Errorf("%s: the head is %v; it was %v, and the new generation is %s", name, head, at, gen)
		}
	}
}

// TestRestoredRefusesOtherDirectories and creates nothing in them.
func TestRestoredRefusesOtherDirectories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    error
		words   string
	}{
		"nothing":                 {func(*testing.T, string) {}, disklog.ErrNoLog, "name the directory in which tidings keeps its log"},
		"empty":                   {mustMkdir, disklog.ErrNoLog, "name the directory in which tidings keeps its log"},
		"other files":             {func(t *testing.T, dir string) { mustWrite(t, filepath.Join(dir, "a"), "") }, disklog.ErrNoLog, "tidings.json"},
		"another program's store": {mustStore, disklog.ErrNotALog, "name another directory"},
		"a newer format": {
			func(t *testing.T, dir string) { mustWrite(t, filepath.Join(dir, "tidings.json"), `{"format": 2}`) },
			disklog.ErrNewFormat, "open it with that version",
		},
	} {
		dir := filepath.Join(t.TempDir(), "log")
		c.prepare(t, dir)
		before := listing(t, dir)
		_, err := disklog.Restored(dir)
		t.Log(name)
		wantDirError(t, dir, before, err, c.want, c.words)
	}
}

func mustMkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
