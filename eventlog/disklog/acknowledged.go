package disklog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// The write-ahead log cannot show that its own end is missing. After a kill, its end may be damaged, truncated or overwritten
// with zeros. Pebble then replays only the part before, and the log would use the same numbers again. Therefore the log keeps the
// newest position that is on disk in a second file.
//
// With SyncAlways the finisher overwrites the position after each sync and before it acknowledges: it is the newest acknowledged one.
// With SyncInterval the syncer does so after each interval, and the finisher after a batch with a lease. The write has no sync of its
// own. It costs one system call and survives the end of the process. After a power loss the file may have an older position, but never
// one that was not on disk.
//
// Each generation notes in the store that it has the file, see metaAcknowledged. If the file is then missing or damaged, the log cannot know
// what the store has lost, and begins a new generation.
const acknowledgedFile = "acknowledged"

// appendAcknowledged appends the content to an empty slice. It is one line of fixed length: generation, number, and a checksum of
// both.
func appendAcknowledged(b []byte, p eventlog.Position) []byte {
	b = fmt.Appendf(b, "%-6s %020d ", p.Gen, p.Seq)
	return fmt.Appendf(b, "%08x\n", crc32.ChecksumIEEE(b))
}

// acknowledged is the file of that name. The zero value has no file yet; begin creates it.
type acknowledged struct {
	fs   vfs.FS
	dir  string
	none bool // a mirror has no such file, because it receives lost records again

	mu   sync.Mutex // guards the following fields
	file vfs.File
	buf  []byte

	seq atomic.Uint64 // the number in the file; set while mu is held
}

// begin replaces the file by a new one, durably, because a copy of the directory by hard links shares the old file. After a crash the
// old file may remain.
func (a *acknowledged) begin(p eventlog.Position) error {
	if err := a.close(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	path := a.fs.PathJoin(a.dir, acknowledgedFile)
	file, err := a.fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	a.file = file
	if err := errors.Join(a.overwrite(p), file.Sync(), a.fs.Rename(path+".new", path)); err != nil {
		return err
	}
	return guard.SyncDir(a.fs, a.dir)
}

// raise records that everything up to a position of the same generation is on disk. Positions may come in any order.
func (a *acknowledged) raise(p eventlog.Position) error {
	if a.none {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Seq <= a.seq.Load() {
		return nil
	}
	return a.overwrite(p)
}

// overwrite writes the content. The caller holds mu.
func (a *acknowledged) overwrite(p eventlog.Position) error {
	a.buf = appendAcknowledged(a.buf[:0], p)
	_, err := a.file.WriteAt(a.buf, 0)
	if err == nil {
		a.seq.Store(p.Seq)
	}
	return err
}

// forget removes the file durably. Call it before a generation begins. From then on, a file that names another generation than the
// store proves that the store lost the beginning of its own.
func (a *acknowledged) forget() error {
	err := a.fs.Remove(a.fs.PathJoin(a.dir, acknowledgedFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return guard.SyncDir(a.fs, a.dir)
}

func (a *acknowledged) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	file := a.file
	a.file = nil
	return file.Close()
}

// readAcknowledged returns the zero position if there is no valid file. The error is one of the file system.
func readAcknowledged(fsys vfs.FS, dir string) (eventlog.Position, error) {
	text, err := readFile(fsys, fsys.PathJoin(dir, acknowledgedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return eventlog.Position{}, nil
	} else if err != nil {
		return eventlog.Position{}, err
	}
	var p eventlog.Position
	if n, _ := fmt.Sscanf(string(text), "%s %d", &p.Gen, &p.Seq); n < 2 || !eventlog.ValidGeneration(p.Gen) || p.Seq == math.MaxUint64 ||
		string(text) != string(appendAcknowledged(nil, p)) {
		return eventlog.Position{}, nil
	}
	return p, nil
}

// beginAcknowledged creates the file again and then notes in the store that it is there.
func (s *store) beginAcknowledged() error {
	if s.mirror {
		return nil
	}
	err := s.acknowledged.begin(s.position())
	if err != nil || s.noted {
		return err
	}
	s.noted = true
	return s.apply(func(b *pebble.Batch) error { return b.Set([]byte(metaAcknowledged), nil, nil) })
}

// forgetAcknowledged removes the file, after the note that it is there.
func (s *store) forgetAcknowledged() error {
	if !s.noted && s.mirror {
		return nil
	}
	s.noted = false
	return errors.Join(
		s.apply(func(b *pebble.Batch) error { return b.Delete([]byte(metaAcknowledged), nil) }),
		s.acknowledged.forget())
}
