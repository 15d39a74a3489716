package guard

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// checkTails reads the manifest and the write-ahead logs before Pebble opens them. It looks for damage that Pebble would take for
// the end of a file. An invalid end is normal after a crash, because the last write is only partly on disk. It is damage if later
// bytes prove that the end was once on disk.
//
// Both kinds of files are sequences of chunks in blocks of 32 KiB. An entry (a version edit or a batch) has one or more chunks.
// Numbers are little-endian, and the checksum covers everything from the type on:
//
//	checksum 4 | payload length 2 | type 1 | (write-ahead log only: file number 4, synced offset 8) | payload
//
// Pebble has a reader for them (package record). If a checksum does not match, that reader spends half a second on flipping bits,
// so this package has its own.

// chunks describes the chunks of a kind of file.
type chunks struct {
	header int
	known  func(chunk []byte, number uint64) bool // whether the type is valid and the number is that of the file
}

var (
	manifestChunks = chunks{7, func(chunk []byte, _ uint64) bool { return chunk[6] >= 1 && chunk[6] <= 4 }}
	logChunks      = chunks{19, func(chunk []byte, number uint64) bool {
		return chunk[6] >= 9 && chunk[6] <= 12 && binary.LittleEndian.Uint32(chunk[7:]) == uint32(number)
	}}

	// oldLogChunks are those of a log that Pebble began before the store had its newest format. They have no synced offset.
	oldLogChunks = chunks{11, func(chunk []byte, number uint64) bool {
		return chunk[6] >= 5 && chunk[6] <= 8 && binary.LittleEndian.Uint32(chunk[7:]) == uint32(number)
	}}
)

// checkTails returns a *CorruptError if the manifest or a write-ahead log lost something.
func checkTails(dir string, o *Options) error {
	names, err := o.FS.List(dir)
	if err != nil {
		return err
	}
	name := ManifestName(names)
	if name == "" {
		return nil // a new store
	}
	c := tailChecker{o.FS, dir, o.Progress}
	m := manifestState{known: true}
	whole, torn, err := c.check(manifestChunks, name, 0, m.edit)
	switch {
	case err != nil:
		return err
	case whole == 0:
		return &CorruptError{File: name, Reason: "it has no whole entry"}
	case o.Manifest.Name == name && (torn || whole != o.Manifest.Size):
		return &CorruptError{name, whole, fmt.Sprintf("it ends there, and had %d bytes when the store was closed", o.Manifest.Size)}
	case m.known && m.needed > 0 && m.since == 0:
		return &CorruptError{name, whole, "it ends there, after its first entry, and a second one was written with that"}
	}
	next := uint64(0) // the operation with which the next batch of any log begins; 0: not known yet
	begin := func(log string, batch []byte) error {
		if next == 0 && len(batch) >= 12 {
			if why := m.contradicts(log, binary.LittleEndian.Uint64(batch), names); why != "" {
				return &CorruptError{name, whole, "it ends there, " + why + ": the tables between are missing"}
			}
		}
		return inOrder(log, batch, &next)
	}
	for _, log := range logsOf(names) {
		if log.number < m.needed {
			continue
		}
		kind := logChunks
		old, _, err := c.check(oldLogChunks, log.name, log.number, func([]byte) error { return nil })
		if old > 0 {
			kind = oldLogChunks
		}
		if err == nil {
			_, _, err = c.check(kind, log.name, log.number, func(batch []byte) error { return begin(log.name, batch) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inOrder returns an error if a batch does not continue where the one before it ended. This finds older logs that end too
// early, of which no trace is left in the file itself. A batch begins with the number of its first operation (8 bytes) and
// how many it has (4 bytes).
func inOrder(log string, batch []byte, next *uint64) error {
	if len(batch) < 12 {
		return &CorruptError{File: log, Reason: "a batch is cut off"}
	}
	first := binary.LittleEndian.Uint64(batch)
	if *next != 0 && first != *next {
		return &CorruptError{File: log, Reason: fmt.Sprintf("a batch begins with operation %d, and the one before it ends before %d", first, *next)}
	}
	*next = first + uint64(binary.LittleEndian.Uint32(batch[8:]))
	return nil
}

type logFile struct {
	name   string
	number uint64
}

// logsOf returns the write-ahead logs in the order of their numbers.
func logsOf(names []string) (logs []logFile) {
	for _, name := range names {
		var n uint64
		if _, err := fmt.Sscanf(name, "%d.log", &n); err == nil {
			logs = append(logs, logFile{name, n})
		}
	}
	slices.SortFunc(logs, func(a, b logFile) int { return cmp.Compare(a.number, b.number) })
	return logs
}

// tailChecker checks the files of a store.
type tailChecker struct {
	fs       vfs.FS
	dir      string
	progress func(key, value []byte) (Progress, bool)
}

// check reads a file and calls entry with the beginning of each entry. It returns the length of the valid part and whether
// anything follows it. If what follows proves that the valid part was longer once, the error is a *CorruptError.
func (c *tailChecker) check(kind chunks, name string, number uint64, entry func([]byte) error) (whole int64, torn bool, err error) {
	f, err := c.fs.Open(c.fs.PathJoin(c.dir, name))
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	r := entries{chunks: kind, f: f, number: number}
	for {
		begin, ok, err := r.next()
		if err != nil {
			return whole, true, err
		}
		if !ok {
			break
		}
		if err := entry(begin); err != nil {
			return whole, true, err
		}
		whole = r.at
	}
	damaged, err := c.continues(kind, f, whole, number)
	if err == nil && damaged {
		err = &CorruptError{name, whole, "valid data follows it"}
	}
	return whole, info.Size() > whole, err
}

// continues reports whether the bytes after an invalid place prove that the place was on disk.
func (c *tailChecker) continues(kind chunks, f io.ReaderAt, from int64, number uint64) (bool, error) {
	switch kind.header {
	case logChunks.header:
		return laterBatches(f, from, number, c.progress)
	case oldLogChunks.header:
		return false, nil // no chunk says what was synced
	}
	const far = 1 << 20 // enough for most manifests
	rest, err := io.ReadAll(io.NewSectionReader(f, from, far))
	return kind.endsWhole(bytesAt{rest, from}), err
}

// bytesAt is a part of a file and its offset.
type bytesAt struct {
	b    []byte
	from int64
}

func (b bytesAt) end() int64 { return b.from + int64(len(b.b)) }

// size returns the length of a chunk, as its header says.
func (c chunks) size(chunk []byte) int64 {
	return int64(c.header) + int64(binary.LittleEndian.Uint16(chunk[4:]))
}

// endsWhole reports whether an entry of the manifest begins somewhere in b from which whole chunks follow to the end. Pebble syncs
// each entry before it writes the next one, so everything before such an entry was on disk.
func (c chunks) endsWhole(b bytesAt) bool {
	for from := b.from + 1; from+int64(c.header) <= b.end(); from++ {
		if kind := b.b[from-b.from+6]; kind != 1+fullChunk && kind != 1+firstChunk {
			continue
		}
		at := from
		for at > 0 && at < b.end() {
			at, _ = c.next(b, at, 0)
		}
		if at == b.end() {
			return true
		}
	}
	return false
}

// entries reads the entries of a file in order.
type entries struct {
	chunks
	f      io.ReaderAt
	number uint64
	at     int64    // where the next chunk begins
	block  bytesAt  // that was read last
	head   [64]byte // the beginning of the entry; checkTails needs no more
}

// The place of a chunk in its entry.
const (
	fullChunk = iota
	firstChunk
	middleChunk
	lastChunk
)

// chunkKind returns the place of a chunk. Types begin with 1 in the manifest and with 9 in the write-ahead log.
func chunkKind(chunk []byte) int { return int(chunk[6]-1) % 4 }

// next returns the beginning of the next entry, valid until the next call. ok is false if no whole entry follows.
func (r *entries) next() (begin []byte, ok bool, err error) {
	n, begun := 0, false
	for {
		chunk, err := r.chunk()
		if err != nil || chunk == nil {
			return nil, false, err
		}
		kind := chunkKind(chunk)
		if first := kind == fullChunk || kind == firstChunk; first && begun {
			return nil, false, nil
		} else if !first && !begun {
			continue // as Pebble does
		}
		begun = true
		if n += copy(r.head[n:], chunk[r.header:]); kind == fullChunk || kind == lastChunk {
			return r.head[:n], true, nil
		}
	}
}

// chunk returns the next chunk, nil if no whole one follows.
func (r *entries) chunk() ([]byte, error) {
	for {
		if r.at >= r.block.end() {
			begin := r.at &^ (blockSize - 1)
			if r.block.b != nil && begin == r.block.from {
				return nil, nil // the end of the file
			}
			if r.block.b == nil {
				r.block.b = make([]byte, blockSize)
			}
			n, err := r.f.ReadAt(r.block.b[:blockSize], begin)
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			if r.block = (bytesAt{r.block.b[:n], begin}); n == 0 {
				return nil, nil
			}
		}
		begin := r.at
		next, whole := r.chunks.next(r.block, begin, r.number)
		if next == 0 {
			return nil, nil
		}
		if r.at = next; whole {
			return r.block.b[begin-r.block.from : next-r.block.from], nil
		}
	}
}

// blockSize is the same for both kinds of files. No chunk crosses the end of a block.
const blockSize = 32 << 10

// next returns the end of the chunk or of the padding that begins at a place, and whether it is a valid chunk. The end is 0 if it
// is neither.
func (c chunks) next(b bytesAt, at int64, number uint64) (next int64, whole bool) {
	left := blockSize - at%blockSize
	if left < int64(c.header) {
		return at + left, false
	}
	chunk := b.b[at-b.from:]
	if len(chunk) < c.header {
		return 0, false
	}
	size := c.size(chunk)
	if size > min(left, int64(len(chunk))) || !c.known(chunk, number) || binary.LittleEndian.Uint32(chunk) != chunkSum(chunk[6:size]) {
		return 0, false
	}
	return at + size, true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunkSum is the checksum of a chunk: CRC-32C, masked as in LevelDB.
func chunkSum(b []byte) uint32 {
	sum := crc32.Checksum(b, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
