package disklog

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// closing is the content of the file owner of a closed log: its head and the size of the manifest. The next start compares it with the store,
// because Pebble would take a missing end of its files for the result of a crash.
type closing struct {
	head     eventlog.Position
	manifest guard.Manifest
}

const closingText = "closed at %s with %d bytes of %s\n"

// writeClosing is called when everything is on disk.
func writeClosing(fsys vfs.FS, dir string, head eventlog.Position) error {
	m, err := guard.ReadManifest(fsys, dir)
	if err != nil {
		return err
	}
	return replaceFile(fsys, dir, ownerFile, func(string) ([]byte, error) {
		return fmt.Appendf(nil, closingText, head, m.Size, m.Name), nil
	})
}

// readClosing returns the zero closing if the log was not closed.
func readClosing(fsys vfs.FS, dir string) (c closing) {
	text, err := readFile(fsys, fsys.PathJoin(dir, ownerFile))
	if err != nil {
		return closing{}
	}
	var head string
	if n, _ := fmt.Sscanf(string(text), closingText, &head, &c.manifest.Size, &c.manifest.Name); n < 3 {
		return closing{}
	}
	if c.head, err = eventlog.ParsePosition(head); err != nil {
		return closing{}
	}
	return c
}
