package guard

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is the file system between Pebble and the disk. The first failed write brings it down: from then on nothing reaches the
// disk, and every write of Pebble seems to succeed.
//
// Pebble's reports of success mean nothing after that. Callers of the store check err before they acknowledge a write or trust
// a store that they opened. The callers then close the store, which changes nothing on disk, and open it again behind a new
// fence.
//
// Pebble reads tables back, so they need more care: a failed compaction is reported (compactionTable), and a failed flush continues
// in memory (flushTable).
//
// It guards the files of one directory. It ignores files that a snapshot writes elsewhere; their errors are errors of the snapshot.
type fence struct {
	vfs.FS
	dir    string // empty: all files
	cause  atomic.Pointer[error]
	onFail func(error) // called once, by the goroutine that met the error; may be nil
	bad    badBlocks   // of tables

	mu      sync.Mutex        // guards spilled
	spilled map[string][]byte // flushed tables that are not on disk as a whole, by path
}

func newFence(inner vfs.FS, onFail func(error)) *fence {
	return &fence{FS: inner, onFail: onFail, spilled: make(map[string][]byte)}
}

// outside reports whether a file or directory does not belong to the store.
func (f *fence) outside(name string) bool {
	return f.dir != "" && name != f.dir && f.PathDir(name) != f.dir
}

// err returns the error that brought the fence down, or nil.
func (f *fence) err() error {
	if cause := f.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

func (f *fence) down() bool { return f.cause.Load() != nil }

// fail brings the fence down.
func (f *fence) fail(err error) {
	if f.cause.CompareAndSwap(nil, &err) && f.onFail != nil {
		f.onFail(err)
	}
}

// check brings the fence down if a write failed.
func (f *fence) check(err error) {
	if err != nil {
		f.fail(err)
	}
}

// file wraps a file that was created. If that failed, it returns one in memory.
func (f *fence) file(file vfs.File, err error) (vfs.File, error) {
	f.check(err)
	if err != nil || file == nil {
		file = vfs.NewMemFile(nil)
	}
	return &fencedFile{file, f}, nil
}

func (f *fence) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.outside(name) {
		return f.FS.Create(name, category)
	}
	f.beforeMarker(name)
	switch {
	case !isTable(name):
	case category == "pebble-compaction":
		return f.createCompacted(name, category)
	default:
		return f.createFlushed(name, category)
	}
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.Create(name, category))
}

// beforeMarker makes the manifest durable before the marker that names it is created, see the package comment.
func (f *fence) beforeMarker(name string) {
	if !f.down() && strings.HasPrefix(f.PathBase(name), markerPrefix) {
		f.check(SyncDir(f.FS, f.PathDir(name)))
	}
}

// markerPrefix begins the names of all markers, those of the manifest and of the format.
const markerPrefix = "marker."

func (f *fence) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.outside(name) {
		return f.FS.OpenReadWrite(name, category, opts...)
	}
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.OpenReadWrite(name, category, opts...))
}

func (f *fence) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.outside(newname) {
		return f.FS.ReuseForWrite(oldname, newname, category)
	}
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.ReuseForWrite(oldname, newname, category))
}

func (f *fence) OpenDir(name string) (vfs.File, error) {
	if f.outside(name) {
		return f.FS.OpenDir(name)
	}
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fencedFile{dir, f}, nil
}

func (f *fence) Link(oldname, newname string) error {
	if f.outside(newname) {
		return f.FS.Link(oldname, newname)
	}
	if !f.down() {
		f.check(f.FS.Link(oldname, newname))
	}
	return nil
}

func (f *fence) Remove(name string) error {
	if f.outside(name) {
		return f.FS.Remove(name)
	}
	if f.down() {
		return nil
	}
	err := f.FS.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err // Pebble expects this; the disk is fine
	}
	f.check(err)
	return nil
}

func (f *fence) RemoveAll(name string) error {
	if f.outside(name) {
		return f.FS.RemoveAll(name)
	}
	if !f.down() {
		f.check(f.FS.RemoveAll(name))
	}
	return nil
}

func (f *fence) Rename(oldname, newname string) error {
	if f.outside(newname) {
		return f.FS.Rename(oldname, newname)
	}
	if !f.down() {
		f.check(f.FS.Rename(oldname, newname))
	}
	return nil
}

func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	if f.outside(dir) {
		return f.FS.MkdirAll(dir, perm)
	}
	if !f.down() {
		f.check(f.FS.MkdirAll(dir, perm))
	}
	return nil
}

func (f *fence) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file behind a fence.
type fencedFile struct {
	vfs.File
	fence *fence
}

func (f *fencedFile) Write(p []byte) (int, error) {
	if !f.fence.down() {
		_, err := f.File.Write(p)
		f.fence.check(err)
	}
	return len(p), nil
}

func (f *fencedFile) WriteAt(p []byte, offset int64) (int, error) {
	if !f.fence.down() {
		_, err := f.File.WriteAt(p, offset)
		f.fence.check(err)
	}
	return len(p), nil
}

// Preallocate only makes writes faster. Many file systems do not support it, so its error does not bring the fence down.
func (f *fencedFile) Preallocate(offset, length int64) error {
	if f.fence.down() {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

func (f *fencedFile) Sync() error {
	if !f.fence.down() {
		f.fence.check(f.File.Sync())
	}
	return nil
}

func (f *fencedFile) SyncData() error {
	if !f.fence.down() {
		f.fence.check(f.File.SyncData())
	}
	return nil
}

func (f *fencedFile) SyncTo(length int64) (bool, error) {
	if f.fence.down() {
		return true, nil
	}
	full, err := f.File.SyncTo(length)
	f.fence.check(err)
	return full, nil
}

func (f *fencedFile) Close() error {
	err := f.File.Close()
	if !f.fence.down() {
		f.fence.check(err)
	}
	return nil
}
