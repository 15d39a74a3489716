package disklog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// Pebble 2.1.7 reads its manifest, the list of its tables, up to the first thing that makes no sense, takes that for the
// end, and goes on without the tables that came after. So it does with the write-ahead log, but for damage that is followed
// by something whole in another block of 32 KiB. After a crash that is right: what was written last is not on disk as a
// whole. Otherwise records that were acknowledged would be gone and nobody told. Therefore both are looked at before Pebble
// is.
//
// Both are sequences of chunks: a checksum of 4 bytes, the length of the payload, of 2 bytes, a type, of 1, and then of the
// write-ahead log the number of its file, of 4, and up to where it was synced when the chunk was written, of 8; then the
// payload. The checksum is over all from the type on. Numbers are little-endian.

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

// check reads a file, and calls entry with the beginning of each entry. It returns how many bytes of the file make sense, and
// whether something comes after that makes none. That is an error if it shows that it was not the end.
func (c chunks) check(fsys vfs.FS, dir, name string, number uint64, entry func([]byte) error) (whole int64, torn bool, err error) {
	f, err := fsys.Open(fsys.PathJoin(dir, name))
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := newReader(f, number, record.NewReader)
	var head [64]byte // enough for what entry wants
	for err == nil {
		whole = r.Offset()
		var body io.Reader
		if body, err = r.Next(); err != nil {
			break
		}
		n := 0
		for err == nil && n < len(head) {
			var more int
			more, err = body.Read(head[n:])
			n += more
		}
		if errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			_, err = io.Copy(io.Discard, body)
		}
		if err != nil {
			break
		}
		if err := entry(head[:n]); err != nil {
			return whole, true, err
		}
	}
	if !errors.Is(err, io.EOF) && !record.IsInvalidRecord(err) {
		return whole, true, err
	}
	const far = 1 << 20 // enough for the block, beyond which Pebble looks by itself, and for most manifests
	rest, readErr := io.ReadAll(io.NewSectionReader(f, whole, far))
	if readErr != nil {
		return whole, true, readErr
	}
	torn = record.IsInvalidRecord(err) || len(rest) > 0 // to Pebble a header with a wrong length may be the end, too
	if c.later(bytesAt{rest, whole}, number) {
		return whole, true, &eventlog.CorruptError{What: name, Offset: int(whole), Reason: "it makes no sense, and goes on after that"}
	}
	return whole, torn, nil
}

// bytesAt is a part of a file.
type bytesAt struct {
	b    []byte
	from int64
}

func (b bytesAt) end() int64 { return b.from + int64(len(b.b)) }

// later reports whether something comes after a chunk that makes no sense which was not written before that was on disk. What
// looks like a chunk may be something that somebody has published; that does not know what comes after it.
func (c chunks) later(b bytesAt, number uint64) bool {
	if c.header == manifestChunks.header {
		return c.goesOn(b)
	}
	// Chunks say up to where the log was synced when they were written. They follow the one that makes no sense, if its header
	// does. If not, Pebble looks for them in the next block.
	skipped := false
	for at := b.from; at < b.end(); {
		next, whole := c.next(b, at, number)
		if whole && binary.LittleEndian.Uint64(b.b[at-b.from+11:]) > uint64(b.from) {
			return true
		}
		if next == 0 {
			chunk := b.b[at-b.from:]
			if skipped || len(chunk) < c.header || !c.known(chunk, number) {
				return false
			}
			skipped, next = true, at+c.size(chunk)
		}
		at = next
	}
	return false
}

// size returns the length of a chunk by its header.
func (c chunks) size(chunk []byte) int64 {
	return int64(c.header) + int64(binary.LittleEndian.Uint16(chunk[4:]))
}

// goesOn reports whether an entry of the manifest begins somewhere from which on whole chunks follow to the end. Each is synced
// before the next one begins.
func (c chunks) goesOn(b bytesAt) bool {
	const full, first = 1, 2
	for from := b.from + 1; from+int64(c.header) <= b.end(); from++ {
		if kind := b.b[from-b.from+6]; kind != full && kind != first {
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

// next returns where the chunk ends that begins somewhere, if it is a whole one, or the padding; 0 if it is neither.
func (c chunks) next(b bytesAt, at int64, number uint64) (next int64, whole bool) {
	const block = 32 << 10
	left := block - at%block // no chunk goes over the end of a block
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

// newReader is record.NewReader for a number whose type has no name here.
func newReader[N ~uint64](f io.Reader, number uint64, make func(io.Reader, N) *record.Reader) *record.Reader {
	return make(f, N(number))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunkSum is the checksum of a chunk, as LevelDB has it.
func chunkSum(b []byte) uint32 {
	sum := crc32.Checksum(b, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
