package eventlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// A record is encoded as a sequence of fields in the order of their tags. Sequence number and time are stored outside of it.
//
//	field   = tag length value    tag and length are varints of encoding/binary
//	value   = bytes, or a varint for numbers
//
// Fields with a tag that is not in the list below come from a newer version. They follow the known ones and are kept.
// docs/format.md documents the encoding for other programs; testdata/record.golden pins it.
const (
	tagTopic       = 1 // one field per topic, the canonical one first
	tagType        = 2
	tagData        = 3
	tagContentType = 4
	tagKey         = 5
	tagID          = 6
	tagRetry       = 7 // number, milliseconds
	tagFlags       = 8 // number
	tagUnknown     = 9 // the first tag that this version does not know
)

// AppendTo appends the encoded record to b, without Seq and Time. Empty fields take no space.
func (r *Record) AppendTo(b []byte) []byte {
	for _, topic := range r.Topics {
		b = appendField(b, tagTopic, topic)
	}
	for _, f := range []struct {
		tag  uint64
		text string
	}{{tagType, r.Type}, {tagData, r.Data}, {tagContentType, r.ContentType}, {tagKey, r.Key}, {tagID, r.ID}} {
		if f.text != "" {
			b = appendField(b, f.tag, f.text)
		}
	}
	if ms := r.Retry.Milliseconds(); ms > 0 {
		b = appendNumber(b, tagRetry, uint64(ms))
	}
	if r.Flags != 0 {
		b = appendNumber(b, tagFlags, uint64(r.Flags))
	}
	return append(b, r.Unknown...)
}

func appendField(b []byte, tag uint64, value string) []byte {
	b = binary.AppendUvarint(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func appendNumber(b []byte, tag, n uint64) []byte {
	var value [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(value[:], n)
	b = binary.AppendUvarint(b, tag)
	b = append(b, byte(size))
	return append(b, value[:size]...)
}

// DecodeRecord decodes a record that AppendTo encoded. The record's strings share memory with s; only the slice of topics is
// allocated. The error is a *CorruptError with the offset of the first invalid byte.
func DecodeRecord(s string) (Record, error) {
	var r Record
	var single [1]string
	topics, last := single[:0], uint64(0)
	for offset := 0; offset < len(s); {
		tag, value, size := field(s[offset:])
		switch {
		case size == 0:
			return Record{}, corrupt(offset, "a field is cut off")
		case tag < last || tag == last && tag != tagTopic && tag < tagUnknown:
			return Record{}, corrupt(offset, "field %d after field %d", tag, last)
		case value == "" && tag < tagUnknown:
			return Record{}, corrupt(offset, "field %d is empty", tag) // such fields are left out
		}
		last = tag
		var err error
		switch tag {
		case 0:
			err = corrupt(offset, "a field with tag 0")
		case tagTopic:
			if len(topics) == cap(topics) {
				topics = append(make([]string, 0, len(topics)+8), topics...)
			}
			topics = append(topics, value)
		case tagType:
			r.Type = value
		case tagData:
			r.Data = value
		case tagContentType:
			r.ContentType = value
		case tagKey:
			r.Key = value
		case tagID:
			r.ID = value
		case tagRetry:
			r.Retry, err = milliseconds(value, offset)
		case tagFlags:
			var n uint64
			n, err = number(value, offset)
			r.Flags = Flags(n)
		default:
			r.Unknown = s[offset:]
			if err := checkUnknown(r.Unknown); err != nil {
				return Record{}, corrupt(offset, "%v", err)
			}
			size = len(s) - offset
		}
		if err != nil {
			return Record{}, err
		}
		offset += size
	}
	if len(topics) == 0 {
		return Record{}, corrupt(len(s), "no topic")
	}
	r.Topics = topics
	return r, nil
}

// field returns the first field of s and its size, 0 if the field is cut off.
func field(s string) (tag uint64, value string, size int) {
	tag, n := uvarint(s)
	if n == 0 {
		return 0, "", 0
	}
	length, m := uvarint(s[n:])
	if m == 0 || length > uint64(len(s)-n-m) {
		return 0, "", 0
	}
	size = n + m + int(length)
	return tag, s[n+m : size], size
}

// uvarint is binary.Uvarint for a string. It returns size 0 if s begins with no whole varint, or one that is not in its shortest
// form: each record has exactly one encoding.
func uvarint(s string) (n uint64, size int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		c := s[i]
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 || i > 0 && c == 0 {
				return 0, 0
			}
			return n | uint64(c)<<(7*i), i + 1
		}
		n |= uint64(c&0x7f) << (7 * i)
	}
	return 0, 0
}

func number(value string, offset int) (uint64, error) {
	n, size := uvarint(value)
	if size == 0 || size != len(value) || n == 0 {
		return 0, corrupt(offset, "the number is invalid")
	}
	return n, nil
}

func milliseconds(value string, offset int) (time.Duration, error) {
	ms, err := number(value, offset)
	if err == nil && ms > uint64(math.MaxInt64/time.Millisecond) {
		err = corrupt(offset, "a duration of %d ms", ms)
	}
	return time.Duration(ms) * time.Millisecond, err
}

// checkUnknown returns an error if text is not a sequence of fields that this version does not know.
func checkUnknown(text string) error {
	last := uint64(tagUnknown)
	for rest := text; rest != ""; {
		tag, _, size := field(rest)
		if size == 0 || tag < last {
			return &InvalidError{What: "unknown fields", Reason: "no newer version would write them"}
		}
		last, rest = tag, rest[size:]
	}
	return nil
}

func corrupt(offset int, format string, args ...any) error {
	return &CorruptError{What: "record", Offset: offset, Reason: fmt.Sprintf(format, args...)}
}
