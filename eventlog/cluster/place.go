package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/tidings-sse/tidings/eventlog"
)

// place is the position of a mirror in the order. It is stored as the state of the mirror, together with the records, so that the two always
// agree after a crash.
type place struct {
	mark

	// target is the number of the message that begins the generation which the mirror already has. A mirror that dropped records has a new
	// generation at once, and then applies the messages before its beginning again. 0, or at most seq: none.
	target uint64

	diverged bool // most other hubs have decided differently
	gap      bool // the mirror is incomplete: it lacks messages that the order had dropped

	// older marks: the last two messages whose numbers are multiples of 4^(level+1), the last two that began a generation,
	// and the first one
	levels [levels + 2][2]mark
}

// mark identifies a message, by which the mirror finds its place again in an order that has lost messages. Its number and identifier show
// whether the order still has it.
type mark struct {
	seq    uint64  // of the message
	id     [8]byte // see short; zero: the message is gone, and was passed over
	head   uint64  // last number of the mirror when it had this message
	gen    string  // generation in force at this place of the order
	digest digest  // of the decisions up to here
	chain  digest  // of the messages up to here, see link
}

// levels of marks: the oldest one is up to 2 x 4^10, two million messages old.
const levels = 10

// short returns a hash that distinguishes a message from all others. The identifier is not enough: a message that the order has lost may be
// published again, and get the same number by chance, with another time.
func short(m *Message) [8]byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(m.ID[:], uint64(m.Time.UnixMilli())))
	return [8]byte(sum[:8])
}

func idText(id [8]byte) string { return hex.EncodeToString(id[:]) }

// origin returns the place of a mirror that has nothing of an order; head is the last number of its own records. If there are any, they are the log of a
// hub alone: the order that this hub makes continues after them. Hubs without records are at 0, and make none before it.
func origin(head uint64) place {
	if head == 0 {
		return place{}
	}
	return place{mark: mark{seq: max(1, head>>recordBits), head: head}}
}

// alone reports whether the mirror has the log of a hub alone, and nothing of an order.
func (p *place) alone() bool { return p.gen == "" && p.head > 0 }

// advance moves the place to the next message.
func (p *place) advance(m *Message, head uint64) {
	p.seq, p.id, p.head = m.Seq, short(m), head
	p.chain = link(p.chain, p.seq, p.id)
}

// chainLength is part of the format of frames.
const chainLength = 4096

// link returns the chain after one more message. It is a digest of the identifiers of all messages since the last number that is a multiple
// of chainLength, so that hubs which took up the order at different places compare theirs. The zero digest is not known.
func link(before digest, seq uint64, id [8]byte) digest {
	if (seq-1)%chainLength == 0 {
		before = digestOf("chain", seq)
	} else if before == (digest{}) {
		return digest{}
	}
	return before.with(id)
}

// remember keeps a mark. begins says that its message began a generation.
func (p *place) remember(m mark, begins bool) {
	for level, n := 0, m.seq; level < levels && n%4 == 0; level, n = level+1, n/4 {
		p.levels[level] = [2]mark{m, p.levels[level][0]}
	}
	if begins {
		p.levels[levels] = [2]mark{m, p.levels[levels][0]}
	}
	if first := &p.levels[levels+1][0]; first.seq == 0 {
		*first = m // kept, because repeated rollbacks may remove all other marks
	}
}

// older returns the marks, newest first, without those that are not older than the place.
func (p *place) older() []mark {
	var all []mark
	for _, level := range p.levels {
		for _, m := range level {
			if m.seq > 0 && m.seq < p.seq && m.id != ([8]byte{}) {
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b mark) int { return cmp.Compare(b.seq, a.seq) })
	return slices.CompactFunc(all, func(a, b mark) bool { return a.seq == b.seq })
}

// back moves the place back to a mark.
func (p *place) back(m mark) {
	p.mark = m
	for i := range p.levels {
		level := &p.levels[i]
		for level[0].seq > m.seq {
			*level = [2]mark{level[1], {}}
		}
	}
}

const placeVersion = 2

const (
	flagDiverged = 1 << iota
	flagGap
)

// appendTo appends the encoded place to b.
func (p *place) appendTo(b []byte) []byte {
	flags := byte(0)
	if p.diverged {
		flags |= flagDiverged
	}
	if p.gap {
		flags |= flagGap
	}
	b = append(b, placeVersion, flags)
	b = binary.AppendUvarint(b, p.target)
	b = p.mark.appendTo(b)
	for level, pair := range p.levels {
		for i, m := range pair {
			if m.seq > 0 {
				b = append(b, byte(2*level+i))
				b = m.appendTo(b)
			}
		}
	}
	return b
}

func (m *mark) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, m.seq)
	b = append(b, m.id[:]...)
	b = binary.AppendUvarint(b, m.head)
	b = append(b, m.digest[:]...)
	b = append(b, m.chain[:]...)
	b = append(b, byte(len(m.gen)))
	return append(b, m.gen...)
}

// decodePlace decodes the state of a mirror. No state is the beginning of the order.
func decodePlace(b []byte) (place, error) {
	if len(b) == 0 {
		return place{}, nil
	}
	d := decoder{b: b}
	if v := d.byte(); v != placeVersion {
		return place{}, fmt.Errorf("cluster: the state of this hub's log is of version %d, and this hub knows %d; it belongs to another version", v, placeVersion)
	}
	var p place
	flags := d.byte()
	p.diverged, p.gap = flags&flagDiverged != 0, flags&flagGap != 0
	p.target = d.uvarint()
	p.mark = d.mark()
	for len(d.b) > 0 && !d.bad {
		at := int(d.byte())
		m := d.mark()
		if at >= 2*len(p.levels) || m.seq == 0 { // appendTo leaves out marks without a message
			d.bad = true
			break
		}
		p.levels[at/2][at%2] = m
	}
	if d.bad {
		return place{}, &eventlog.CorruptError{What: "state of a mirror", Reason: "it is damaged or cut off"}
	}
	return p, nil
}

// decoder takes a place apart. After the first fault it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, n)
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) byte() byte { return d.bytes(1)[0] }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) mark() (m mark) {
	m.seq = d.uvarint()
	copy(m.id[:], d.bytes(len(m.id)))
	m.head = d.uvarint()
	copy(m.digest[:], d.bytes(len(m.digest)))
	copy(m.chain[:], d.bytes(len(m.chain)))
	m.gen = string(d.bytes(int(d.byte())))
	return m
}
