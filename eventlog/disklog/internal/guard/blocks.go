package guard

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// badBlocks are the blocks of tables that Pebble has reported as damaged. Further reads of them fail at once. They are
// remembered until the store is closed, because the disk may work again for the next store.
type badBlocks struct {
	any    atomic.Bool // so that reads of an undamaged store take no lock
	mu     sync.Mutex  // guards blocks
	blocks map[badBlock]struct{}
}

type badBlock struct {
	file   string // without its directory
	offset int64
}

// badBlockText matches Pebble's text for a damaged block, which has its offset and length.
var badBlockText = regexp.MustCompile(`block (\d+)/\d+: \S+ checksum mismatch`)

// learn remembers the block that an error of Pebble names.
func (b *badBlocks) learn(path string, err error) {
	found := badBlockText.FindStringSubmatch(err.Error())
	if found == nil {
		return
	}
	offset, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return // out of range; the block will be read again
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blocks == nil {
		b.blocks = make(map[badBlock]struct{})
	}
	b.blocks[badBlock{filepath.Base(path), offset}] = struct{}{}
	b.any.Store(true)
}

func (b *badBlocks) has(file string, offset int64) bool {
	if !b.any.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.blocks[badBlock{file, offset}]
	return ok
}

// readTable is a table that is open for reading.
type readTable struct {
	vfs.File
	name string // without its directory
	bad  *badBlocks
}

// ReadAt fails for a block that is known to be damaged. Pebble reads blocks one at a time, from their beginning.
func (t *readTable) ReadAt(p []byte, offset int64) (int, error) {
	if t.bad.has(t.name, offset) {
		return 0, fmt.Errorf("%s: the block at %d is known to be damaged: %w", t.name, offset, pebble.ErrCorruption)
	}
	return t.File.ReadAt(p, offset)
}
