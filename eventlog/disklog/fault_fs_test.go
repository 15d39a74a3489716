package disklog_test

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// faultFS is a file system that fails on demand. It counts operations by kind. A kind is an operation and a kind of file, such as "write
// wal" or "sync dir".
type faultFS struct {
	vfs.FS

	mu    sync.Mutex // guards the following fields
	count map[string]int
	fault *fault
	hits  int
	free  uint64 // free bytes of the disk; 0: as the inner file system says
}

// fault describes which operations fail.
type fault struct {
	kind  string // kind of operations; empty: all that change the disk
	after int    // number of operations that succeed first
	times int    // number of operations that fail; 0: all that follow
	err   error
	torn  bool // writes write half of their data
}

func newFaultFS(fs vfs.FS) *faultFS { return &faultFS{FS: fs, count: make(map[string]int)} }

// begin starts a fault, and resets the counters.
func (f *faultFS) begin(b fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.count)
	f.fault, f.hits = &b, 0
}

// end ends the fault, and returns how many operations failed.
func (f *faultFS) end() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = nil
	return f.hits
}

func (f *faultFS) hit() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// counted returns the number of operations of each kind since begin.
func (f *faultFS) counted() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counted := make(map[string]int)
	maps.Copy(counted, f.count)
	return counted
}

// do counts an operation, and returns the fault if the operation has to fail.
func (f *faultFS) do(op, name string) (failed *fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := op + " " + kindOfFile(name)
	f.count[kind]++
	f.count[""]++
	if f.fault == nil || f.fault.kind != "" && f.fault.kind != kind || f.count[f.fault.kind] <= f.fault.after {
		return nil
	}
	if f.fault.times > 0 && f.hits >= f.fault.times {
		return nil
	}
	f.hits++
	return f.fault
}

func kindOfFile(name string) string {
	base := filepath.Base(name)
	switch {
	case name == "dir":
		return "dir"
	case strings.HasSuffix(base, ".log"):
		return "wal"
	case strings.HasSuffix(base, ".sst"):
		return "table"
	case strings.HasPrefix(base, "MANIFEST-"):
		return "manifest"
	case strings.HasPrefix(base, "marker."):
		return "marker"
	}
	return "other"
}

func (f *faultFS) failed(op, name string) error {
	if failed := f.do(op, name); failed != nil {
		return &fs.PathError{Op: op, Path: name, Err: failed.err}
	}
	return nil
}

func (f *faultFS) made(op, name string, create func() (vfs.File, error)) (vfs.File, error) {
	if err := f.failed(op, name); err != nil {
		return nil, err
	}
	file, err := create()
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f, name}, nil
}

func (f *faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.made("create", name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *faultFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.made("create", name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *faultFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.made("reuse", to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

func (f *faultFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &faultFile{dir, f, "dir"}, nil
}

func (f *faultFS) Link(from, to string) error {
	if err := f.failed("link", to); err != nil {
		return err
	}
	return f.FS.Link(from, to)
}

func (f *faultFS) Remove(name string) error {
	if err := f.failed("remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *faultFS) Rename(from, to string) error {
	if err := f.failed("rename", to); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *faultFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.failed("mkdir", dir); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir, perm)
}

func (f *faultFS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free != 0 {
		return vfs.DiskUsage{AvailBytes: f.free, TotalBytes: 1 << 40}, nil
	}
	return f.FS.GetDiskUsage(path)
}

func (f *faultFS) setFree(bytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = bytes
}

func (f *faultFS) Unwrap() vfs.FS { return f.FS }

type faultFile struct {
	vfs.File
	fs   *faultFS
	name string
}

func (f *faultFile) failed(op string) error {
	return f.fs.failed(op, f.name)
}

func (f *faultFile) Write(p []byte) (int, error) {
	if failed := f.fs.do("write", f.name); failed != nil {
		n := 0
		if failed.torn {
			n, _ = f.File.Write(p[:len(p)/2]) // an error is returned anyway
		}
		return n, &fs.PathError{Op: "write", Path: f.name, Err: failed.err}
	}
	return f.File.Write(p)
}

func (f *faultFile) Sync() error {
	if err := f.failed("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) SyncData() error {
	if err := f.failed("sync"); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *faultFile) SyncTo(length int64) (bool, error) {
	if err := f.failed("sync"); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

// Preallocate fails, as on many file systems.
func (f *faultFile) Preallocate(int64, int64) error { return syscall.EOPNOTSUPP }

func (f *faultFile) Close() error {
	err := f.File.Close()
	if f.name == "dir" {
		return err
	}
	if failed := f.failed("close"); failed != nil {
		return failed
	}
	return err
}

// noLocks is a file system that cannot lock.
type noLocks struct{ vfs.FS }

func (noLocks) Lock(string) (io.Closer, error) { return nil, syscall.ENOLCK }
