package disklog

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/cockroachdb/pebble/v2/batchrepr"
)

// laterBatches reports whether a place in a write-ahead log that makes no sense is damage: what comes after it proves that it
// was on disk. There are two proofs:
//
//   - A chunk says that the file was synced up to beyond the place.
//   - A batch says that another one, which also comes after the place, was acknowledged (see headMeta.synced). The log
//     acknowledges a batch when everything before it is on disk.
//
// Without a proof it is the end that a crash has left: a disk may keep what was written last and lose what was written
// just before that.
//
// Only chunks that begin where Pebble puts them count: at the beginning of a block, or where the chunk before them ends. What looks
// like a chunk elsewhere may be something that somebody has published.
func laterBatches(f io.ReaderAt, from int64, number uint64) (bool, error) {
	e := evidence{damaged: math.MaxUint64}
	block := make([]byte, blockSize)
	for begin := from &^ (blockSize - 1); ; begin += blockSize {
		n, err := f.ReadAt(block, begin)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if e.look(bytesAt{block[:n], begin}, max(begin, from), number); e.proof() || n < blockSize {
			return e.proof(), nil
		}
	}
}

// evidence is what was found after a place.
type evidence struct {
	damaged uint64 // the first chunk that makes no sense; the entry that it belongs to may begin before it
	synced  bool   // a chunk proves that it was on disk

	first        uint64 // the head that the first whole batch has written,
	acknowledged uint64 // and the newest that a batch calls acknowledged

	entry []byte // the chunks of the current entry so far
	whole bool   // none of them is missing
}

func (e *evidence) proof() bool { return e.synced || e.first != 0 && e.acknowledged >= e.first }

// look goes through the chunks of a block, from a place on. The chunk at which it stops, or that it steps over, is
// damaged or does not belong to this log.
func (e *evidence) look(block bytesAt, at int64, number uint64) {
	for at < block.end() {
		next, whole := logChunks.next(block, at, number)
		chunk := block.b[at-block.from:]
		switch {
		case whole:
			e.chunk(chunk[:next-at])
		case next == 0: // a damaged one; its header may still say where the next one begins
			e.whole, e.damaged = false, min(e.damaged, uint64(at))
			if len(chunk) < logChunks.header || !logChunks.known(chunk, number) {
				return
			}
			next = at + logChunks.size(chunk)
		}
		at = next
	}
}

// chunk takes a whole chunk.
func (e *evidence) chunk(chunk []byte) {
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
		e.batch(e.entry)
		e.whole = false
	}
}

// batch takes a whole batch. A batch of Pebble's own, or of trimming, says nothing.
func (e *evidence) batch(repr []byte) {
	if len(repr) < batchrepr.HeaderLen {
		return
	}
	for ops := batchrepr.Read(repr); ; {
		_, key, value, ok, err := ops.Next()
		if !ok || err != nil {
			return
		}
		switch string(key) {
		case metaGeneration: // from here on numbers mean something else
			e.first, e.acknowledged = 0, 0
		case metaHead:
			if head, err := decodeHeadMeta(value); err == nil {
				if e.first == 0 {
					e.first = head.seq
				}
				e.acknowledged = max(e.acknowledged, head.synced)
			}
		}
	}
}
