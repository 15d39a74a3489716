package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/cockroachdb/pebble/v2/batchrepr"
)

// laterBatches reports whether an invalid place in a write-ahead log is damage: the bytes after it prove that the place was on disk. There
// are two proofs:
//
//   - A chunk says that the file was synced beyond the place.
//   - A batch says that another batch, which also follows the place, was acknowledged (see Progress). Callers acknowledge a
//     batch when everything before it is on disk.
//
// Without a proof the place is the end that a crash left: a disk may keep the last write and lose a write shortly
// before it.
//
// Only chunks at places where Pebble puts them count: at the beginning of a block, or at the end of the chunk before. What
// looks like a chunk elsewhere may be the caller's data.
func laterBatches(f io.ReaderAt, from int64, number uint64, progress func(key, value []byte) (Progress, bool)) (bool, error) {
	e := evidence{progress: progress, damaged: math.MaxUint64}
	block := make([]byte, blockSize)
	for begin := from &^ (blockSize - 1); ; begin += blockSize {
		n, err := f.ReadAt(block, begin)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if e.addBlock(bytesAt{block[:n], begin}, max(begin, from), number); e.proof() || n < blockSize {
			return e.proof(), nil
		}
	}
}

// evidence is collected from the bytes after an invalid place.
type evidence struct {
	progress func(key, value []byte) (Progress, bool)

	damaged uint64 // offset of the first invalid chunk; its entry may begin before that
	synced  bool   // a chunk says that this offset was synced

	first        uint64 // position of the first whole batch
	acknowledged uint64 // the newest position that a batch calls acknowledged

	entry []byte // chunks of the current entry so far
	whole bool   // none of them is missing
}

func (e *evidence) proof() bool { return e.synced || e.first != 0 && e.acknowledged >= e.first }

// addBlock reads the chunks of a block from a place on. It steps over invalid chunks whose header still says how long they are,
// and stops at others.
func (e *evidence) addBlock(block bytesAt, at int64, number uint64) {
	for at < block.end() {
		next, whole := logChunks.next(block, at, number)
		chunk := block.b[at-block.from:]
		switch {
		case whole:
			e.addChunk(chunk[:next-at])
		case next == 0: // invalid
			e.whole, e.damaged = false, min(e.damaged, uint64(at))
			if len(chunk) < logChunks.header || !logChunks.known(chunk, number) {
				return
			}
			next = at + logChunks.size(chunk)
		}
		at = next
	}
}

// addChunk adds a valid chunk.
func (e *evidence) addChunk(chunk []byte) {
	e.synced = e.synced || binary.LittleEndian.Uint64(chunk[11:]) > e.damaged
	kind := chunkKind(chunk)
	if kind == fullChunk || kind == firstChunk {
		e.entry, e.whole = e.entry[:0], true
	}
	if !e.whole {
		return
	}
	e.entry = append(e.entry, chunk[logChunks.header:]...)
	if kind == fullChunk || kind == lastChunk {
		e.addBatch(e.entry)
		e.whole = false
	}
}

// addBatch adds a whole batch. Batches of Pebble itself, and batches without Progress, prove nothing.
func (e *evidence) addBatch(repr []byte) {
	if e.progress == nil || len(repr) < batchrepr.HeaderLen {
		return
	}
	for ops := batchrepr.Read(repr); ; {
		_, key, value, ok, err := ops.Next()
		if !ok || err != nil {
			return
		}
		p, ok := e.progress(key, value)
		switch {
		case !ok:
		case p.Restart:
			e.first, e.acknowledged = 0, 0
		default:
			if e.first == 0 {
				e.first = p.Position
			}
			e.acknowledged = max(e.acknowledged, p.Acknowledged)
		}
	}
}
