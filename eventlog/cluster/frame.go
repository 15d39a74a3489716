package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A frame is the data of a message:
//
//	frame   = version kind checksum time clock known body
//	version = 1 byte: a hub stops at a frame of a newer version, because it would decide differently from hubs that know it
//	kind    = 1 byte: records or control
//	checksum= 4 bytes: CRC-32C of everything else. It finds what a damaged replica of the shared log returns
//	time    = uvarint: when the message was sent, in milliseconds, by the clock of the shared log; see stale
//	clock   = uvarint: the median of the clocks that the sender knew then, in milliseconds; 0: not known. Not in version 1. See Log.date
//	known   = uvarint and 8 bytes: the last message that the sender's mirror had, and the chain up to it; see hint
//	records = { count { length record } }: the Appends that travel in the message; count, length: uvarint; record: see eventlog.Record.AppendTo
//	control = JSON of type control
const (
	version = 2

	kindRecords = 1
	kindControl = 2

	frameHead = 6  // bytes before time
	frameMost = 44 // bytes before the body, at most
)

// staleAfter is for how long a message may be under way, by the clock of the shared log. All mirrors pass over an older one. A shared
// log knows identifiers for DuplicateWindow only, so that a copy that arrives later than this might be the second one.
const staleAfter = DuplicateWindow - 20*time.Second

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Reasons why a frame cannot be used.
var (
	errDamaged = errors.New("cluster: a message of the shared log is damaged")
	errNewer   = errors.New("cluster: a message of the shared log is of a newer version than this hub knows; upgrade this hub")
)

// frame is a decoded frame. Its records share memory.
type frame struct {
	sent    int64 // milliseconds
	clock   int64
	known   hint
	batches []batch
	control []byte // nil: a frame of records
}

// batch is the records of one Append, and how the frame encodes each of them.
type batch struct {
	records []eventlog.Record
	encoded []string // nil: not known
}

// hint is the last message that the sender of a frame had. A mirror with another chain up to the same number learns from it that the order
// has replaced messages, however long ago. Numbers alone do not show this, because new messages continue the numbers of the old ones.
type hint struct {
	seq   uint64
	chain digest // zero: not known
}

// beginFrame appends the beginning of a frame to b. sealFrame completes it.
func beginFrame(b []byte, kind byte, sent, clock int64, known hint) []byte {
	b = append(b, version, kind, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, uint64(max(sent, 0)))
	b = binary.AppendUvarint(b, uint64(max(clock, 0)))
	b = binary.AppendUvarint(b, known.seq)
	return append(b, known.chain[:]...)
}

// sealFrame puts the checksum into a frame, after everything else was appended.
func sealFrame(b []byte) { binary.BigEndian.PutUint32(b[2:], checksum(b)) }

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:2], castagnoli), castagnoli, b[frameHead:])
}

// appendBatch appends the records of one Append to the body of a frame.
func appendBatch(b []byte, records []eventlog.Record, scratch []byte) (body, grown []byte) {
	b = binary.AppendUvarint(b, uint64(len(records)))
	for i := range records {
		scratch = records[i].AppendTo(scratch[:0])
		b = binary.AppendUvarint(b, uint64(len(scratch)))
		b = append(b, scratch...)
	}
	return b, scratch
}

// decodeFrame decodes the data of a message. The error matches errDamaged or errNewer.
func decodeFrame(data []byte) (frame, error) {
	if len(data) < frameHead+1 || binary.BigEndian.Uint32(data[2:]) != checksum(data) {
		return frame{}, errDamaged
	}
	if data[0] > version {
		return frame{}, fmt.Errorf("%w (version %d)", errNewer, data[0])
	}
	sent, n := binary.Uvarint(data[frameHead:])
	if n <= 0 || data[0] == 0 {
		return frame{}, errDamaged
	}
	d := decoder{b: data[frameHead+n:]}
	f := frame{sent: int64(sent)}
	if data[0] > 1 {
		f.clock = int64(d.uvarint())
	}
	f.known.seq = d.uvarint()
	copy(f.known.chain[:], d.bytes(len(f.known.chain)))
	body := d.b
	if d.bad {
		return frame{}, errDamaged
	}
	switch data[1] {
	case kindControl:
		f.control = body
		return f, nil
	case kindRecords:
		var err error
		f.batches, err = decodeBatches(string(body))
		return f, err
	}
	return frame{}, errDamaged
}

func decodeBatches(s string) (batches []batch, err error) {
	for s != "" {
		var count uint64
		if count, s, err = cutUvarint(s); err != nil || count == 0 || count > eventlog.MaxCount {
			return nil, errDamaged
		}
		most := min(count, uint64(len(s))) // a record takes more than a byte
		b := batch{make([]eventlog.Record, most), make([]string, most)}
		for i := range count {
			var size uint64
			if size, s, err = cutUvarint(s); err != nil || size > uint64(len(s)) {
				return nil, errDamaged
			}
			if i >= most {
				return nil, errDamaged
			}
			b.encoded[i] = s[:size]
			if b.records[i], err = eventlog.DecodeRecord(b.encoded[i]); err != nil {
				return nil, fmt.Errorf("%w: %w", errDamaged, err)
			}
			s = s[size:]
		}
		batches = append(batches, b)
	}
	return batches, nil
}

// cutUvarint cuts a number off the front of s.
func cutUvarint(s string) (n uint64, rest string, err error) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return n, s[i+1:], nil
		}
	}
	return 0, s, errDamaged
}
