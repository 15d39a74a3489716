package disklog

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence stands between Pebble and the file system. The first thing that cannot be written brings it down: from then on
// nothing reaches the disk any more, and Pebble is told that all went well.
//
// That is because Pebble takes a failed write for the end of the process: it calls Logger.Fatalf, panics while it holds
// locks, or dies of unlocking a mutex twice when the log file is being changed. Nobody may believe it afterwards: whoever
// acknowledges a write asks the fence first, after the sync. Then the store is closed, which changes nothing on disk, and
// opened again behind a new fence.
//
// It is up from raise on. Before, errors go to Pebble as they are: those of opening have a caller who can be told.
type fence struct {
	vfs.FS
	up     atomic.Bool
	failed atomic.Pointer[error]
	onFail func(error) // called once, in the goroutine that has met the error
}

func newFence(inner vfs.FS, onFail func(error)) *fence { return &fence{FS: inner, onFail: onFail} }

func (f *fence) raise() { f.up.Store(true) }

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

// check returns the error of something that should have been written: none, once the fence is up.
func (f *fence) check(err error) error {
	if err == nil || !f.up.Load() {
		return err
	}
	f.bring(err)
	return nil
}

// file returns what stands for a file that should have been made.
func (f *fence) file(file vfs.File, err error) (vfs.File, error) {
	if err := f.check(err); err != nil {
		return nil, err
	}
	if file == nil {
		file = vfs.NewMemFile(nil)
	}
	return &fencedFile{file, f}, nil
}

func (f *fence) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.down() {
		return f.file(nil, nil)
	}
	return f.file(f.FS.Create(name, category))
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
	if f.down() {
		return nil
	}
	return f.check(f.FS.Link(oldname, newname))
}

func (f *fence) Remove(name string) error {
	if f.down() {
		return nil
	}
	err := f.FS.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err // Pebble knows what to do, and nothing is wrong with the disk
	}
	return f.check(err)
}

func (f *fence) RemoveAll(name string) error {
	if f.down() {
		return nil
	}
	return f.check(f.FS.RemoveAll(name))
}

func (f *fence) Rename(oldname, newname string) error {
	if f.down() {
		return nil
	}
	return f.check(f.FS.Rename(oldname, newname))
}

func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	if f.down() {
		return nil
	}
	return f.check(f.FS.MkdirAll(dir, perm))
}

func (f *fence) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file behind a fence.
type fencedFile struct {
	vfs.File
	fence *fence
}

func (f *fencedFile) Write(p []byte) (int, error) {
	if f.fence.down() {
		return len(p), nil
	}
	n, err := f.File.Write(p)
	if err != nil {
		n = len(p)
		if err := f.fence.check(err); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (f *fencedFile) WriteAt(p []byte, offset int64) (int, error) {
	if f.fence.down() {
		return len(p), nil
	}
	n, err := f.File.WriteAt(p, offset)
	if err != nil {
		n = len(p)
		if err := f.fence.check(err); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (f *fencedFile) Preallocate(offset, length int64) error {
	if f.fence.down() {
		return nil
	}
	return f.fence.check(f.File.Preallocate(offset, length))
}

func (f *fencedFile) Sync() error {
	if f.fence.down() {
		return nil
	}
	return f.fence.check(f.File.Sync())
}

func (f *fencedFile) SyncData() error {
	if f.fence.down() {
		return nil
	}
	return f.fence.check(f.File.SyncData())
}

func (f *fencedFile) SyncTo(length int64) (bool, error) {
	if f.fence.down() {
		return true, nil
	}
	full, err := f.File.SyncTo(length)
	return full, f.fence.check(err)
}

func (f *fencedFile) Close() error {
	err := f.File.Close()
	if f.fence.down() {
		return nil
	}
	return f.fence.check(err)
}
