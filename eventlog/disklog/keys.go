package disklog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
)

// The first byte of a key is its kind. Numbers in keys are 8 bytes, big-endian, so that keys sort by number. Topics and IDs are escaped,
// so that none is a prefix of another. All of this is part of the format: docs/format.md describes it, testdata/keys.golden pins it.
const (
	kindEvent     = 'e' // seq → time, record
	kindIndex     = 'i' // topic, seq → entry: readers find the record under the topic
	kindElsewhere = 'g' // topic, seq → nothing: the topic trimmed the record, another one still has it
	kindStatus    = 'x' // seq → status per topic, of a record that some of its topics dropped
	kindTopic     = 's' // topic → what it lost
	kindDead      = 'd' // seq, topic → nothing: a topic without records, by its last record
	kindKey       = 'k' // hash of topic and key, number → use
	kindKeyLine   = 'n' // number → time, hash: the keys in the order of use
	kindID        = 'p' // publisher's ID, seq → nothing
	kindEnd       = 'z' // topic → the record that ended it, or began it again
	kindEndLine   = 'o' // seq, topic → time, the line before: the same in order
	kindTime      = 't' // seq → time: the records of a mirror that have another time than the one before
	kindHole      = 'h' // last seq → first seq, reason
	kindMeta      = 'm' // name → numbers
)

// Names of kindMeta keys.
const (
	metaGeneration = "mgeneration"
	metaHead       = "mhead"  // the committer's counters, see headMeta
	metaTrim       = "mtrim"  // the trimmer's counters, see trimMeta
	metaCut        = "mcut"   // a cut in progress: the number after which everything is removed, and the next generation
	metaLease      = "mlease" // sequence numbers up to this one may have been used

	metaAcknowledged = "macknowledged" // nothing: the directory has the file acknowledged

	metaState     = "mstate"     // of a mirror: the state of the last Apply
	metaRetention = "mretention" // of a mirror: the retention of the last SetRetention, as JSON
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

// appendName appends a kind and an escaped, terminated topic or ID.
func appendName(b []byte, kind byte, name string) []byte {
	return append(appendEscaped(append(b, kind), name), escape, terminator)
}

// cutName returns the topic or ID at the beginning of a key without its kind, and the rest.
func cutName(key []byte) (name string, rest []byte, ok bool) {
	i := bytes.IndexByte(key, escape)
	if i >= 0 && i+1 < len(key) && key[i+1] == terminator {
		return string(key[:i]), key[i+2:], true // the usual case: the name has no escapes
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

func endKey(b []byte, topic string) []byte { return appendName(b, kindEnd, topic) }

func endLineKey(b []byte, seq uint64, topic string) []byte {
	return append(appendSeq(append(b, kindEndLine), seq), topic...)
}

// hash is 16 bytes of a SHA-256. Accidental collisions are less likely than hardware failures.
type hash [16]byte

func sum(parts ...[]byte) hash {
	h := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		_, _ = h.Write(size[:]) // never fails
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
	ord   uint64 // number of the record within its topic; existing entries are consecutive, apart from ends
	size  uint64 // eventlog.Record.Size
}

const (
	entryEnd   = 1 << iota // the record ends its topics
	entryPlain             // the record has one topic and no ID, so that it can be removed without reading it
)

func (e entry) appendTo(b []byte) []byte {
	b = append(b, e.flags)
	b = binary.AppendUvarint(b, e.ord)
	return binary.AppendUvarint(b, e.size)
}

// appendNumbers appends varints to a value.
func appendNumbers(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// cutNumbers fills numbers from b and returns the rest. Missing numbers are 0, so that later versions can add some.
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

// Statuses of a topic in kindStatus.
const (
	live       = 'l'
	trimmed    = 't'
	superseded = 's'
)

// topicState is the value of kindTopic. A topic that never lost a record has none.
type topicState struct {
	last    uint64 // the newest record that it lost
	trimmed uint64 // the newest record that was trimmed
	gone    uint64 // the newest record that was trimmed and exists under no other topic
}

func (s topicState) value() []byte { return appendNumbers(nil, s.last, s.trimmed, s.gone) }

func decodeTopicState(value []byte) (s topicState, err error) {
	if _, ok := cutNumbers(value, &s.last, &s.trimmed, &s.gone); !ok {
		return s, corrupt("topic state", "a number is cut off")
	}
	return s, nil
}

// headMeta is written by the committer with every batch.
type headMeta struct {
	seq     uint64 // of the newest record, or where Skip moved the head
	time    uint64 // of the newest record, Unix milliseconds
	events  uint64 // number of records ever appended
	bytes   uint64 // their size
	keys    uint64 // number of keys ever used
	revived uint64 // number of dead topics that got records again
	synced  uint64 // the newest number up to which everything was on disk when this was written; 0: not known

	revivedBytes uint64 // 1, plus the eventlog.DeadTopicSize of those in revived; 0: written by a version that did not count
	ends         uint64 // 1, plus the number of lines of kindEndLine ever written; 0: written by a version without kindEnd
}

func (m headMeta) value() []byte {
	return appendNumbers(nil, m.seq, m.time, m.events, m.bytes, m.keys, m.revived, m.synced, m.revivedBytes, m.ends)
}

func decodeHeadMeta(value []byte) (m headMeta, err error) {
	if _, ok := cutNumbers(value, &m.seq, &m.time, &m.events, &m.bytes, &m.keys, &m.revived, &m.synced, &m.revivedBytes, &m.ends); !ok {
		return m, corrupt("head", "a number is cut off")
	}
	return m, nil
}

// trimMeta is written by the trimmer with every chunk.
type trimMeta struct {
	events  uint64 // number of records ever removed
	bytes   uint64 // their size
	trimmed uint64 // the newest record that a topic trimmed
	gone    uint64 // the newest record that was trimmed and does not exist any more
	partial uint64 // the newest record that some of its topics dropped and others did not
	floor   uint64 // see eventlog.Bounds
	died    uint64 // number of topics that died, without the forgotten ones
	keys    uint64 // the newest key that was forgotten
	first   uint64 // there is no record before it

	diedBytes uint64 // 1, plus the eventlog.DeadTopicSize of those in died; 0: written by a version that did not count
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
	n       uint64 // number of this use among all keys; part of the key
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
