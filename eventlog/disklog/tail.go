package disklog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// Pebble 2.1.7 reads its manifest, the list of its tables, up to the first thing that makes no sense. It takes that for the
// end and goes on without the tables that come after. It treats the write-ahead log alike, unless a later chunk says that the place
// was synced; but it counts only a part of what it has synced. After a crash this is right: what was written last is not on disk as
// a whole. After damage, acknowledged records would be gone and nobody would be told. Therefore the log checks both files before
// Pebble opens them.
//
// Both are sequences of chunks. Numbers are little-endian, and the checksum covers everything from the type on:
//
//	checksum 4 | length of the payload 2 | type 1 | (write-ahead log only: file number 4, synced offset 8) | payload

// chunks are those of a kind of files.
type chunks struct {
	header int
	known  func(chunk []byte, number uint64) bool // the type is one, and the number that of the file
}

var (
	manifestChunks = chunks{7, func(chunk []byte, _ uint64) bool { return chunk[6] >= 1 && chunk[6] <= 4 }}
	logChunks      = chunks{19, func(chunk []byte, number uint64) bool {
		return chunk[6] >= 9 && chunk[6] <= 12 && binary.LittleEndian.Uint32(chunk[7:]) == uint32(number)
	}}
)

// checkTails returns an error if something is wrong in the manifest or in the write-ahead logs of a directory.
func checkTails(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	name := manifestOf(names)
	if name == "" {
		return nil // a new store
	}
	needed := uint64(0) // the number of the first write-ahead log whose entries are not all in tables
	whole, torn, err := manifestChunks.check(fsys, dir, name, 0, func(edit []byte) error {
		needed = max(needed, firstLog(edit))
		return nil
	})
	switch was := readClosing(fsys, dir); {
	case err != nil:
		return err
	case whole == 0:
		return corrupt(name, "there is nothing in it")
	case was.manifest == name && (torn || whole != was.size):
		return corrupt(name, fmt.Sprintf("%d bytes of it make sense, and when the log was closed it had %d", whole, was.size))
	}
	next := uint64(0) // what the next batch of any log begins with, once it is known
	for _, log := range logsOf(names) {
		if log.number < needed {
			continue
		}
		_, _, err := logChunks.check(fsys, dir, log.name, log.number, func(batch []byte) error {
			return inOrder(log.name, batch, &next)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inOrder returns an error if a batch does not begin where the one before it has ended. An older log may end too early without
// a trace in itself. Batches begin with the number of their first operation and how many they have, of 8 and 4 bytes.
func inOrder(log string, batch []byte, next *uint64) error {
	if len(batch) < 12 {
		return corrupt(log, "an entry is cut off")
	}
	first := binary.LittleEndian.Uint64(batch)
	if *next != 0 && first != *next {
		return corrupt(log, fmt.Sprintf("a batch begins with operation %d, and the one before it ends before %d; what was between is gone", first, *next))
	}
	*next = first + uint64(binary.LittleEndian.Uint32(batch[8:]))
	return nil
}

// firstLog returns the number of the first write-ahead log that is needed from then on, by an entry of the manifest; 0 if that has
// not changed. Entries are fields of a tag and a value; only the name of the order of keys comes before it.
func firstLog(edit []byte) uint64 {
	const order, log = 1, 2
	var tag, n uint64
	rest, ok := cutNumbers(edit, &tag)
	if ok && tag == order {
		if rest, ok = cutNumbers(rest, &n); ok && n <= uint64(len(rest)) {
			rest, ok = cutNumbers(rest[n:], &tag)
		}
	}
	if !ok || tag != log {
		return 0
	}
	_, _ = cutNumbers(rest, &n)
	return n
}

// storeMarker is what the name of the file begins with that names Pebble's manifest.
const storeMarker = "marker.manifest."

// manifestOf returns the name of the manifest, "" if there is no store. A crash may leave several markers; the one with the
// highest number counts.
func manifestOf(names []string) (manifest string) {
	newest := -1
	for _, name := range names {
		var number int
		var names string
		if n, _ := fmt.Sscanf(name, storeMarker+"%d.%s", &number, &names); n == 2 && number > newest {
			newest, manifest = number, names
		}
	}
	return manifest
}

type logFile struct {
	name   string
	number uint64
}

// logsOf returns the write-ahead logs in order.
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

// check reads a file and calls entry with the beginning of each entry. It returns how many bytes of the file make sense, and
// whether something comes after that makes none. That is an error if it shows that it was not the end.
func (c chunks) check(fsys vfs.FS, dir, name string, number uint64, entry func([]byte) error) (whole int64, torn bool, err error) {
	f, err := fsys.Open(fsys.PathJoin(dir, name))
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	r := entries{chunks: c, f: f, number: number}
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
	proven, err := c.later(f, whole, number)
	if err == nil && proven {
		err = &eventlog.CorruptError{What: name, Offset: int(whole), Reason: "it makes no sense, and goes on after that"}
	}
	return whole, info.Size() > whole, err
}

// later reports whether what comes after a place that makes no sense proves that the place was on disk.
func (c chunks) later(f io.ReaderAt, from int64, number uint64) (bool, error) {
	if c.header == logChunks.header {
		return laterBatches(f, from, number)
	}
	const far = 1 << 20 // enough for most manifests
	rest, err := io.ReadAll(io.NewSectionReader(f, from, far))
	return c.goesOn(bytesAt{rest, from}), err
}

// bytesAt is a part of a file.
type bytesAt struct {
	b    []byte
	from int64
}

func (b bytesAt) end() int64 { return b.from + int64(len(b.b)) }

// size returns the length of a chunk by its header.
func (c chunks) size(chunk []byte) int64 {
	return int64(c.header) + int64(binary.LittleEndian.Uint16(chunk[4:]))
}

// goesOn reports whether an entry of the manifest begins somewhere from which on whole chunks follow to the end. Each is synced
// before the next one begins.
func (c chunks) goesOn(b bytesAt) bool {
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

// entries reads the entries of a file one after the other. Pebble has a reader, too; where a checksum does not match, that one tries for
// half a second whether a single bit is wrong.
type entries struct {
	chunks
	f      io.ReaderAt
	number uint64
	at     int64    // where the next chunk begins
	block  bytesAt  // which was read last
	head   [64]byte // of the entry, enough for what check wants
}

// The kinds of chunks of an entry: the only one, the first, one in the middle, the last.
const (
	fullChunk = iota
	firstChunk
	middleChunk
	lastChunk
)

// chunkKind returns the kind of a chunk, whose types are from 1 on in the manifest and from 9 on in the write-ahead log.
func chunkKind(chunk []byte) int { return int(chunk[6]-1) % 4 }

// next returns the beginning of the next entry, until the next call. It is not ok where no whole one follows.
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
			continue // Pebble skips it, too
		}
		begun = true
		if n += copy(r.head[n:], chunk[r.header:]); kind == fullChunk || kind == lastChunk {
			return r.head[:n], true, nil
		}
	}
}

// chunk returns the next chunk, nil where no whole one follows.
func (r *entries) chunk() ([]byte, error) {
	for {
		if r.at >= r.block.end() {
			begin := r.at &^ (blockSize - 1)
			if r.block.b != nil && begin == r.block.from {
				return nil, nil // the last block is short
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

// blockSize is that of both files. No chunk goes over the end of a block.
const blockSize = 32 << 10

// next returns where the chunk ends that begins somewhere, if it is a whole one, or the padding; 0 if it is neither.
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

// chunkSum is the checksum of a chunk, as LevelDB has it.
func chunkSum(b []byte) uint32 {
	sum := crc32.Checksum(b, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
