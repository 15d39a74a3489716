package load

import (
	"bytes"
	"fmt"
	"time"
)

// mark identifies an event. Its encoding has 35 characters, none of which needs escaping in JSON, forms or URLs:
//
//	~tb 1f3a 0002a 007 0000002a 00003b9aca00
//	    run  topic pub seq      ns since the run began
//
// It contains the run, because a hub that retains events may deliver those of an earlier run.
type mark struct {
	topic     int
	publisher int
	seq       uint32 // of this publisher on this topic, from 0
	at        time.Duration
}

// The size of a mark and the limits that its digits set. They are part of the format.
const (
	markSize      = 35
	maxTopics     = 1 << 20
	maxPublishers = 1 << 12
)

// magic returns the first bytes of every mark of a run.
func magic(run uint16) []byte { return fmt.Appendf(nil, "~tb%04x", run) }

// appendMark appends m to b, padded to size bytes.
func appendMark(b, magic []byte, m mark, size int) []byte {
	end := len(b) + max(size, markSize)
	b = append(b, magic...)
	b = appendHex(b, uint64(m.topic), 5)
	b = appendHex(b, uint64(m.publisher), 3)
	b = appendHex(b, uint64(m.seq), 8)
	b = appendHex(b, uint64(m.at), 12)
	for len(b) < end {
		b = append(b, 'x')
	}
	return b
}

// findMark finds a mark anywhere in a line, because hubs may wrap the data.
func findMark(line, magic []byte) (m mark, ok bool) {
	if !bytes.HasPrefix(line, magic) {
		i := bytes.Index(line, magic)
		if i < 0 {
			return m, false
		}
		line = line[i:]
	}
	if len(line) < markSize {
		return m, false
	}
	line = line[len(magic):]
	topic, ok1 := readHex(line[:5])
	publisher, ok2 := readHex(line[5:8])
	seq, ok3 := readHex(line[8:16])
	at, ok4 := readHex(line[16:28])
	return mark{int(topic), int(publisher), uint32(seq), time.Duration(at)}, ok1 && ok2 && ok3 && ok4
}

func appendHex(b []byte, n uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[n>>shift&15])
	}
	return b
}

func readHex(b []byte) (n uint64, ok bool) {
	bad := byte(0)
	for _, c := range b {
		d := hexValues[c]
		bad |= d
		n = n<<4 | uint64(d&15)
	}
	return n, bad < 16
}

// hexValues maps each hexadecimal digit to its value, and other bytes to 255.
var hexValues = func() (values [256]byte) {
	for i := range values {
		values[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		values[c] = byte(i)
	}
	return values
}()
