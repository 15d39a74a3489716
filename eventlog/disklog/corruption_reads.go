package disklog

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

// Pebble 2.1.7 does not remember that a block is damaged. Whoever needs it reads it again, and each time Pebble tries for every
// single bit whether it makes the checksum right. A filter is needed for each number that is looked up by itself, and a large one takes
// seconds each time. Therefore the log remembers the blocks that Pebble reports, and fails further reads of them at once.

// badBlocks are the damaged blocks of tables. They are known as long as the store is open.
type badBlocks struct {
	any    atomic.Bool
	mu     sync.Mutex // guards blocks
	blocks map[badBlock]struct{}
}

type badBlock struct {
	file   string // without its directory
	offset int64
}

// badBlockText is how Pebble says which block of a file is damaged: by its offset and length.
var badBlockText = regexp.MustCompile(`block (\d+)/\d+: \S+ checksum mismatch`)

// learn takes an error that Pebble has reported for a file.
func (b *badBlocks) learn(path string, err error) {
	found := badBlockText.FindStringSubmatch(err.Error())
	if found == nil {
		return
	}
	offset, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return // it is no number of this world; the block is read again
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

// readTable is a table that is open to be read.
type readTable struct {
	vfs.File
	name string // without its directory
	bad  *badBlocks
}

// ReadAt fails where a damaged block begins. Pebble reads blocks one by one.
func (t *readTable) ReadAt(p []byte, offset int64) (int, error) {
	if t.bad.has(t.name, offset) {
		return 0, fmt.Errorf("%s: block %d is known to be damaged: %w", t.name, offset, pebble.ErrCorruption)
	}
	return t.File.ReadAt(p, offset)
}
