package disklog

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence stands between Pebble and the file system. The first thing that cannot be written brings it down: from then on
// nothing reaches the disk any more, and Pebble is told that all went well.
//
// That is because Pebble takes a failed write for the end of the process: it calls Logger.Fatalf, panics while it holds
// locks, or dies of unlocking a mutex twice when the log file is being changed. While it opens, it would try for ever to
// flush. Nobody may believe it afterwards: whoever acknowledges a write, or has opened a store, asks the fence first. Then
// the store is closed, which changes nothing on disk, and opened again behind a new fence.
//
// Tables are different, because Pebble reads them: those of merging report their errors, see mergedTable, and those of
// memory go on in memory, see flushedTable.
type fence struct {
	vfs.FS
	failed atomic.Pointer[error]
	onFail func(error) // called once, in the goroutine that has met the error
	bad    badBlocks   // of tables

	mu      sync.Mutex
	spilled map[string][]byte // flushed tables that are not on disk as a whole, by path; guarded by mu
}

func newFence(inner vfs.FS, onFail func(error)) *fence {
	return &fence{FS: inner, onFail: onFail, spilled: make(map[string][]byte)}
}

// err returns what has brought the fence down, or nil.
func (f *fence) err() error {
	if failed := f.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

func (f *fence) down() bool { return f.failed.Load() != nil }

// bring brings the fence down.
func (f *fence) bring(err error) {
	if f.failed.CompareAndSwap(nil, &err) {
		f.onFail(err)
	}
}

// check takes the error of something that should have been written.
func (f *fence) check(err error) {
	if err != nil {
		f.bring(err)
	}
}

// file returns what stands for a file that should have been made.
func (f *fence) file(file vfs.File, err error) (vfs.File, error) {
	f.check(err)
	if err != nil || file == nil {
		file = vfs.NewMemFile(nil)
	}
	return &fencedFile{file, f}, nil
}

func (f *fence) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.beforeMarker(name)
	switch {
	case !isTable(name):
	case category == "pebble-compaction":
		return f.createMerged(name, category)
	default:
		return f.createFlushed(name, category)
	}
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.Create(name, category))
}

// beforeMarker makes sure that what a marker of Pebble names is in the directory on disk before the marker is. Pebble 2.1.7
// syncs both at once, and a file system that does not keep their order may have after a crash the one and not the other, with
// which nothing can be opened: cockroachdb/pebble issue 5825.
func (f *fence) beforeMarker(name string) {
	if !f.down() && strings.HasPrefix(f.PathBase(name), "marker.") {
		f.check(syncDir(f.FS, f.PathDir(name)))
	}
}

func (f *fence) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.OpenReadWrite(name, category, opts...))
}

func (f *fence) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.ReuseForWrite(oldname, newname, category))
}

func (f *fence) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fencedFile{dir, f}, nil
}

func (f *fence) Link(oldname, newname string) error {
	if !f.down() {
		f.check(f.FS.Link(oldname, newname))
	}
	return nil
}

func (f *fence) Remove(name string) error {
	if f.down() {
		return nil
	}
	err := f.FS.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err // Pebble knows what to do, and nothing is wrong with the disk
	}
	f.check(err)
	return nil
}

func (f *fence) RemoveAll(name string) error {
	if !f.down() {
		f.check(f.FS.RemoveAll(name))
	}
	return nil
}

func (f *fence) Rename(oldname, newname string) error {
	if !f.down() {
		f.check(f.FS.Rename(oldname, newname))
	}
	return nil
}

func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
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

// Preallocate makes writing faster where the file system knows how to. Many do not, and nobody has to care.
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
