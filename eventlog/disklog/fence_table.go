package disklog

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// isTable reports whether Pebble will read again what it writes to a file.
func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// mergedTable is a table that is made of other ones. If it cannot be written they stay, and Pebble is told the truth: it
// gives up, and asks the store's scheduler when it may try again, see compactions.
type mergedTable struct {
	vfs.File
	fence *fence
	path  string
}

func (f *fence) createMerged(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.down() {
		return nil, f.err()
	}
	file, err := f.FS.Create(name, category)
	if err != nil {
		f.bring(err)
		return nil, err
	}
	return &mergedTable{file, f, name}, nil
}

// check brings the fence down, and returns what has done so, now or before. What is there of the table is in nobody's way: no
// store will know of it, and a full disk needs the room.
func (t *mergedTable) check(err error) error {
	if err != nil {
		t.fence.bring(err)
	}
	if err = t.fence.err(); err != nil {
		_ = t.fence.FS.Remove(t.path) // the next store does so too
	}
	return err
}

func (t *mergedTable) Write(p []byte) (int, error) {
	if t.fence.down() {
		return 0, t.check(nil)
	}
	n, err := t.File.Write(p)
	if err = t.check(err); err != nil {
		return 0, err
	}
	return n, nil
}

func (t *mergedTable) Sync() error {
	if t.fence.down() {
		return t.check(nil)
	}
	return t.check(t.File.Sync())
}

func (t *mergedTable) SyncData() error {
	if t.fence.down() {
		return t.check(nil)
	}
	return t.check(t.File.SyncData())
}

func (t *mergedTable) SyncTo(length int64) (bool, error) {
	if t.fence.down() {
		return false, t.check(nil)
	}
	full, err := t.File.SyncTo(length)
	return full, t.check(err)
}

func (t *mergedTable) Close() error { return t.check(t.File.Close()) }

// flushedTable is a table that is made of what Pebble has in memory, and forgets as soon as the table is written: there
// would be no other copy that could be read. What the disk does not take goes on in memory, until the store is closed. That
// is no more than was there before.
type flushedTable struct {
	fencedFile
	path    string
	size    int    // bytes on disk
	spilled bool   // the table is in memory,
	memory  []byte // that is, here
}

func (f *fence) createFlushed(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	t := &flushedTable{fencedFile: fencedFile{fence: f}, path: name}
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

func (t *flushedTable) Write(p []byte) (int, error) {
	if !t.fence.down() {
		_, err := t.File.Write(p)
		if err == nil {
			t.size += len(p)
			return len(p), nil
		}
		t.fence.bring(err)
	}
	if err := t.spill(); err != nil {
		return 0, err
	}
	t.memory = append(t.memory, p...)
	return len(p), nil
}

// spill takes the table off the disk. If it cannot be read there any more, Pebble writes it again, this time to memory
// altogether.
func (t *flushedTable) spill() error {
	if t.spilled {
		return nil
	}
	t.memory = make([]byte, t.size)
	if n, err := t.ReadAt(t.memory, 0); n < t.size {
		return err
	}
	t.spilled = true
	_ = t.fence.FS.Remove(t.path) // a full disk needs the room, and the next store removes it, too
	return nil
}

func (t *flushedTable) Sync() error { return t.synced(t.fencedFile.Sync) }

func (t *flushedTable) SyncData() error { return t.synced(t.fencedFile.SyncData) }

// synced makes sure that a table of which nobody knows whether it is on disk is in memory.
func (t *flushedTable) synced(sync func() error) error {
	if err := sync(); err != nil {
		return err
	}
	if t.fence.down() {
		return t.spill()
	}
	return nil
}

func (t *flushedTable) SyncTo(length int64) (bool, error) {
	full, err := t.fencedFile.SyncTo(length)
	if err == nil && t.fence.down() {
		err = t.spill()
	}
	return full, err
}

// Close lets the table be read.
func (t *flushedTable) Close() error {
	if t.spilled {
		t.fence.mu.Lock()
		t.fence.spilled[t.path] = t.memory
		t.fence.mu.Unlock()
	}
	return t.fencedFile.Close()
}

// Open opens a file to read it.
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
