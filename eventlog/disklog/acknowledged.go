package disklog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// The write-ahead log cannot show that its own end is missing. If the process is killed and the file is then damaged, truncated or
// overwritten with zeros, Pebble replays what comes before, and the log would use the same numbers again. Therefore the log
// keeps the newest position that is on disk in a second file.
//
// With SyncAlways the finisher overwrites the position after each sync and before it acknowledges: it is the newest acknowledged one.
// With SyncInterval the syncer does so after each interval, and the finisher after a batch with a lease. The write has no sync of
// its own. It costs one system call and survives the end of the process. After a power loss the file may have an older position,
// but never one that was not on disk: what it says is always true.
const acknowledgedFile = "acknowledged"

// The content is one line of fixed length: generation, number, and a checksum of both.
const (
	acknowledgedText = "%-6s %020d "
	acknowledgedSize = len("gen123 00000000000000000001 ")
)

// acknowledged writes the file. The zero value has no file yet; begin creates it.
type acknowledged struct {
	fs  vfs.FS
	dir string

	mu   sync.Mutex // guards the following fields
	file vfs.File
	buf  []byte

	seq atomic.Uint64 // that the file says; set while mu is held
}

// begin creates the file again: a copy of the directory by hard links shares the old one. After a crash the old one may remain.
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
	return errors.Join(a.overwrite(p), a.fs.Rename(path+".new", path))
}

// raise records that everything up to a position of the same generation is on disk. Positions may come in any order.
func (a *acknowledged) raise(p eventlog.Position) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Seq <= a.seq.Load() {
		return nil
	}
	return a.overwrite(p)
}

// overwrite writes the content. The caller holds mu.
func (a *acknowledged) overwrite(p eventlog.Position) error {
	a.buf = fmt.Appendf(a.buf[:0], acknowledgedText, p.Gen, p.Seq)
	a.buf = fmt.Appendf(a.buf, "%08x\n", crc32.ChecksumIEEE(a.buf))
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

// readAcknowledged returns the zero position if there is no valid file.
func readAcknowledged(fsys vfs.FS, dir string) eventlog.Position {
	text, err := readFile(fsys, fsys.PathJoin(dir, acknowledgedFile))
	if err != nil || len(text) < acknowledgedSize {
		return eventlog.Position{}
	}
	var p eventlog.Position
	var sum uint32
	n, _ := fmt.Sscanf(string(text), "%s %d %x", &p.Gen, &p.Seq, &sum)
	if n < 3 || sum != crc32.ChecksumIEEE(text[:acknowledgedSize]) || !eventlog.ValidGeneration(p.Gen) || p.Seq == math.MaxUint64 {
		return eventlog.Position{}
	}
	return p
}
