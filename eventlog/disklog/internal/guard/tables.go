package guard

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// isTable reports whether Pebble reads a file again while the store is open.
func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// compactionTable is the output of a compaction. When a write fails, Pebble gets the error: its inputs are still there. Pebble
// gives up, and asks the scheduler before it tries again, see compactions.
type compactionTable struct {
	vfs.File
	fence *fence
	path  string
}

func (f *fence) createCompacted(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.down() {
		return nil, f.err()
	}
	file, err := f.FS.Create(name, category)
	if err != nil {
		f.fail(err)
		return nil, err
	}
	return &compactionTable{file, f, name}, nil
}

// check brings the fence down if a write failed, and returns the error that brought it down, now or before. It then removes
// the incomplete table: no manifest names it, and a full disk needs the space.
func (t *compactionTable) check(err error) error {
	if err != nil {
		t.fence.fail(err)
	}
	if err = t.fence.err(); err != nil {
		_ = t.fence.FS.Remove(t.path) // if this fails, the next Open removes it
	}
	return err
}

func (t *compactionTable) Write(p []byte) (int, error) {
	if t.fence.down() {
		return 0, t.check(nil)
	}
	n, err := t.File.Write(p)
	if err = t.check(err); err != nil {
		return 0, err
	}
	return n, nil
}

func (t *compactionTable) Sync() error {
	if t.fence.down() {
		return t.check(nil)
	}
	return t.check(t.File.Sync())
}

func (t *compactionTable) SyncData() error {
	if t.fence.down() {
		return t.check(nil)
	}
	return t.check(t.File.SyncData())
}

func (t *compactionTable) SyncTo(length int64) (bool, error) {
	if t.fence.down() {
		return false, t.check(nil)
	}
	full, err := t.File.SyncTo(length)
	return full, t.check(err)
}

func (t *compactionTable) Close() error { return t.check(t.File.Close()) }

// flushTable is the output of a flush. Pebble drops the memtable once the table is written, so after a failed write only this
// file can serve reads. flushTable keeps the bytes that the disk does not take in memory until the store is closed. They need no
// more memory than the memtable did.
type flushTable struct {
	fencedFile
	path    string
	size    int    // bytes on disk
	spilled bool   // the whole table is in memory
	memory  []byte // the table, once spilled
}

func (f *fence) createFlushed(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	t := &flushTable{fencedFile: fencedFile{fence: f}, path: name}
	if !f.down() {
		file, err := f.FS.Create(name, category)
		if f.check(err); err == nil {
			t.File = file
			return t, nil
		}
	}
	t.File, t.spilled = vfs.NewMemFile(nil), true
	return t, nil
}

func (t *flushTable) Write(p []byte) (int, error) {
	if !t.fence.down() {
		_, err := t.File.Write(p)
		if err == nil {
			t.size += len(p)
			return len(p), nil
		}
		t.fence.fail(err)
	}
	if err := t.spill(); err != nil {
		return 0, err
	}
	t.memory = append(t.memory, p...)
	return len(p), nil
}

// spill moves the table from disk to memory. If the disk cannot be read, it returns an error, and Pebble repeats the flush, which
// then goes to memory altogether.
func (t *flushTable) spill() error {
	if t.spilled {
		return nil
	}
	t.memory = make([]byte, t.size)
	if n, err := t.ReadAt(t.memory, 0); n < t.size {
		return err
	}
	t.spilled = true
	_ = t.fence.FS.Remove(t.path) // a full disk needs the space; if this fails, the next Open removes it
	return nil
}

func (t *flushTable) Sync() error { return t.synced(t.fencedFile.Sync) }

func (t *flushTable) SyncData() error { return t.synced(t.fencedFile.SyncData) }

// synced moves the table to memory if the sync failed, because the content on disk is then unknown.
func (t *flushTable) synced(sync func() error) error {
	if err := sync(); err != nil {
		return err
	}
	if t.fence.down() {
		return t.spill()
	}
	return nil
}

func (t *flushTable) SyncTo(length int64) (bool, error) {
	full, err := t.fencedFile.SyncTo(length)
	if err == nil && t.fence.down() {
		err = t.spill()
	}
	return full, err
}

// Close makes a spilled table readable by its path.
func (t *flushTable) Close() error {
	if t.spilled {
		t.fence.mu.Lock()
		t.fence.spilled[t.path] = t.memory
		t.fence.mu.Unlock()
	}
	return t.fencedFile.Close()
}

// Open opens a file for reading. Spilled tables come from memory.
func (f *fence) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f.mu.Lock()
	table, ok := f.spilled[name]
	f.mu.Unlock()
	if ok {
		return vfs.NewMemFile(table), nil
	}
	file, err := f.FS.Open(name, opts...)
	if err != nil || !isTable(name) {
		return file, err
	}
	return &readTable{file, f.PathBase(name), &f.bad}, nil
}
