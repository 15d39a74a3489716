package disklog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
)

// The first byte of a key says what it is. Numbers in keys are 8 bytes, big-endian, so that keys are in the order of
// numbers; topics and IDs are escaped, so that none is the beginning of another. All of this is part of the format:
// docs/format.md describes it, testdata/keys.golden pins it.
const (
	kindEvent   = 'e' // seq → time, record
	kindIndex   = 'i' // topic, seq → entry: the record can be found under the topic
	kindGhost   = 'g' // topic, seq → nothing: the topic has trimmed the record, another one still has it
	kindStatus  = 'x' // seq → a status for each topic, of a record that some of its topics no longer have
	kindTopic   = 's' // topic → what it has lost
	kindDead    = 'd' // seq, topic → nothing: a topic that has no record any more, by the last it had
	kindKey     = 'k' // hash of topic and key, number → use
	kindKeyLine = 'n' // number → time, hash: the keys in the order of their use
	kindID      = 'p' // publisher's id, seq → nothing
	kindHole    = 'h' // last seq → first seq, reason
	kindMeta    = 'm' // name → numbers
)

// Names of kindMeta.
const (
	metaGeneration = "mgeneration"
	metaHead       = "mhead"  // what the committer counts, see headMeta
	metaTrim       = "mtrim"  // what trimming counts, see trimMeta
	metaCut        = "mcut"   // a cut that was begun: the number after which everything goes, and the next generation
	metaLease      = "mlease" // the sequence number up to which numbers may have been used
)

const (
	escape     = 0x00 // in a topic it is followed by escaped
	escaped    = 0xff
	terminator = 0x01 // after an escape it ends the topic
)

func appendSeq(b []byte, seq uint64) []byte { return binary.BigEndian.AppendUint64(b, seq) }

func appendEscaped(b []byte, text string) []byte {
	for {
		i := strings.IndexByte(text, escape)
		if i < 0 {
			return append(b, text...)
		}
		b = append(append(b, text[:i]...), escape, escaped)
		text = text[i+1:]
	}
}

// appendName appends a kind and a topic or ID, with its end.
func appendName(b []byte, kind byte, name string) []byte {
	return append(appendEscaped(append(b, kind), name), escape, terminator)
}

// cutName returns the topic or ID at the beginning of a key, without its kind, and what follows.
func cutName(key []byte) (name string, rest []byte, ok bool) {
	i := bytes.IndexByte(key, escape)
	if i >= 0 && i+1 < len(key) && key[i+1] == terminator {
		return string(key[:i]), key[i+2:], true // almost always
	}
	var b []byte
	for i >= 0 && i+1 < len(key) {
		b = append(b, key[:i]...)
		switch key[i+1] {
		case terminator:
			return string(b), key[i+2:], true
		case escaped:
			b = append(b, escape)
		default:
			return "", nil, false
		}
		key = key[i+2:]
		i = bytes.IndexByte(key, escape)
	}
	return "", nil, false
}

func eventKey(b []byte, seq uint64) []byte  { return appendSeq(append(b, kindEvent), seq) }
func statusKey(b []byte, seq uint64) []byte { return appendSeq(append(b, kindStatus), seq) }

func namedKey(b []byte, kind byte, name string, seq uint64) []byte {
	return appendSeq(appendName(b, kind, name), seq)
}

func topicKey(b []byte, topic string) []byte { return appendName(b, kindTopic, topic) }

func deadKey(b []byte, seq uint64, topic string) []byte {
	return append(appendSeq(append(b, kindDead), seq), topic...)
}

// hash is one of 16 bytes: that two are the same by accident is less likely than any failure of the machine.
type hash [16]byte

func sum(parts ...[]byte) hash {
	h := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		_, _ = h.Write(size[:]) // a hash takes everything
		_, _ = h.Write(part)
	}
	return hash(h.Sum(nil)[:16])
}

func keyHash(r *eventlog.Record) hash { return sum([]byte(r.Topics[0]), []byte(r.Key)) }

func keyUseKey(b []byte, h hash, n uint64) []byte {
	return appendSeq(append(append(b, kindKey), h[:]...), n)
}

func keyLineKey(b []byte, n uint64) []byte { return appendSeq(append(b, kindKeyLine), n) }

// seqOf returns the number at the end of a key.
func seqOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// entry is the value of kindIndex.
type entry struct {
	flags byte
	ord   uint64 // number of the record within its topic; those that are there have no gap but for ends
	size  uint64 // eventlog.Record.Size
}

const (
	entryEnd   = 1 << iota // the record ends its topics
	entryPlain             // the record has no other topic and no ID: whoever removes the entry removes the record, unread
)

func (e entry) appendTo(b []byte) []byte {
	b = append(b, e.flags)
	b = binary.AppendUvarint(b, e.ord)
	return binary.AppendUvarint(b, e.size)
}

// numbers is a value that holds nothing but varints.
func appendNumbers(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// cutNumbers fills numbers from b and returns the rest. Numbers that are not there are 0, so that later versions can
// add some.
func cutNumbers(b []byte, numbers ...*uint64) (rest []byte, ok bool) {
	for _, n := range numbers {
		if len(b) == 0 {
			*n = 0
			continue
		}
		size := 0
		if *n, size = binary.Uvarint(b); size <= 0 {
			return b, false
		}
		b = b[size:]
	}
	return b, true
}

func decodeEntry(value []byte) (entry, error) {
	if len(value) < 3 {
		return entry{}, corrupt("index entry", "it is too short")
	}
	e := entry{flags: value[0]}
	if _, ok := cutNumbers(value[1:], &e.ord, &e.size); !ok {
		return entry{}, corrupt("index entry", "a number is cut off")
	}
	return e, nil
}

// The statuses of a record's topic in kindStatus.
const (
	live       = 'l'
	trimmed    = 't'
	superseded = 's'
)

// topicState is the value of kindTopic. A topic that never lost anything has none.
type topicState struct {
	last    uint64 // the newest record that it has lost
	trimmed uint64 // the newest that was trimmed
	gone    uint64 // the newest that was trimmed and is no longer there under any other topic either
}

func (s topicState) value() []byte { return appendNumbers(nil, s.last, s.trimmed, s.gone) }

func decodeTopicState(value []byte) (s topicState, err error) {
	if _, ok := cutNumbers(value, &s.last, &s.trimmed, &s.gone); !ok {
		return s, corrupt("topic state", "a number is cut off")
	}
	return s, nil
}

// headMeta is what the committer writes with every batch.
type headMeta struct {
	seq     uint64 // the newest record's, or where Skip has gone
	time    uint64 // of the newest record, Unix milliseconds
	events  uint64 // records ever appended,
	bytes   uint64 // and their size
	keys    uint64 // keys ever used
	revived uint64 // topics that were dead and have records again
	synced  uint64 // the newest number that was acknowledged with everything on disk when this was written; 0: not known

	revivedBytes uint64 // 1, and the eventlog.DeadTopicSize of those in revived; 0: written by a version that did not count
}

func (m headMeta) value() []byte {
	return appendNumbers(nil, m.seq, m.time, m.events, m.bytes, m.keys, m.revived, m.synced, m.revivedBytes)
}

func decodeHeadMeta(value []byte) (m headMeta, err error) {
	if _, ok := cutNumbers(value, &m.seq, &m.time, &m.events, &m.bytes, &m.keys, &m.revived, &m.synced, &m.revivedBytes); !ok {
		return m, corrupt("head", "a number is cut off")
	}
	return m, nil
}

// trimMeta is what trimming writes with every batch.
type trimMeta struct {
	events  uint64 // records ever removed,
	bytes   uint64 // and their size
	trimmed uint64 // the newest record that a topic has lost by trimming
	gone    uint64 // the newest that was trimmed and is not there any more
	partial uint64 // the newest that some of its topics have lost, by whatever, and others not
	floor   uint64 // see eventlog.Bounds
	died    uint64 // topics that have died, those that were forgotten not counted
	keys    uint64 // the newest key that was forgotten
	first   uint64 // there is no record before it

	diedBytes uint64 // 1, and the eventlog.DeadTopicSize of those in died; 0: written by a version that did not count
}

func (m *trimMeta) numbers() []*uint64 {
	return []*uint64{&m.events, &m.bytes, &m.trimmed, &m.gone, &m.partial, &m.floor, &m.died, &m.keys, &m.first, &m.diedBytes}
}

func (m trimMeta) value() []byte {
	var b []byte
	for _, n := range m.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	return b
}

func decodeTrimMeta(value []byte) (m trimMeta, err error) {
	if _, ok := cutNumbers(value, m.numbers()...); !ok {
		return m, corrupt("trim state", "a number is cut off")
	}
	return m, nil
}

// keyUse is the value of kindKey.
type keyUse struct {
	n       uint64 // in the key: the number of this use among all keys
	seq     uint64
	time    uint64
	content hash // of the encoded record
}

func (u keyUse) value() []byte { return append(u.content[:], appendNumbers(nil, u.seq, u.time)...) }

func decodeKeyUse(key, value []byte) (keyUse, error) {
	if len(value) < len(hash{}) {
		return keyUse{}, corrupt("key", "it is too short")
	}
	u := keyUse{n: seqOf(key), content: hash(value[:16])}
	if _, ok := cutNumbers(value[16:], &u.seq, &u.time); !ok {
		return keyUse{}, corrupt("key", "a number is cut off")
	}
	return u, nil
}

func corrupt(what, reason string) error { return &eventlog.CorruptError{What: what, Reason: reason} }
