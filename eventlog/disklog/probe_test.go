package disklog_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestProbeFindsWhatOpenWouldRefuse, and changes nothing.
func TestProbeFindsWhatOpenWouldRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		options *disklog.Options
		owner   int
		want    error
	}{
		"a new directory":          {func(*testing.T, string) {}, nil, 0, nil},
		"a log":                    {func(t *testing.T, dir string) { mustLog(t, dir) }, nil, 0, nil},
		"an open log of owner":     {func(t *testing.T, dir string) { mustOpen(t, dir, nil) }, nil, os.Getpid(), nil},
		"an open log of another":   {func(t *testing.T, dir string) { mustOpen(t, dir, nil) }, nil, 1, disklog.ErrInUse},
		"an open log of anyone":    {func(t *testing.T, dir string) { mustOpen(t, dir, nil) }, nil, 0, nil},
		"a file":                   {func(t *testing.T, dir string) { mustWrite(t, dir, "hello") }, nil, 0, syscall.ENOTDIR},
		"other files":              {func(t *testing.T, dir string) { mustWrite(t, filepath.Join(dir, "index.html"), "hello") }, nil, 0, disklog.ErrNotALog},
		"a newer format":           {func(t *testing.T, dir string) { mustWrite(t, filepath.Join(dir, "tidings.json"), `{"format": 99}`) }, nil, 0, disklog.ErrNewFormat},
		"a log for a mirror":       {func(t *testing.T, dir string) { mustLog(t, dir) }, &disklog.Options{Mirror: true}, 0, disklog.ErrNotMirror},
		"a mirror for a hub alone": {func(t *testing.T, dir string) { mustOpen(t, dir, &disklog.Options{Mirror: true}) }, nil, os.Getpid(), disklog.ErrIsMirror},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			c.prepare(t, dir)
			before := logFiles(listing(t, dir))
			if err := disklog.Probe(dir, c.options, c.owner); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after := logFiles(listing(t, dir)); !maps.Equal(before, after) {
				t.Errorf("it has changed from\n%v\nto\n%v", before, after)
			}
		})
	}
}
