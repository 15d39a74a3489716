package eventlog

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Record is an event as a log keeps it. All strings but Type may hold any bytes; what they mean is the business of those
// who append and read.
type Record struct {
	Seq  uint64    // set by the log: the sequence number
	Time time.Time // set by the log: when it was appended; milliseconds, UTC

	// Topics are the names under which readers find the record, 1 to 1,000 of 1 to 8,192 bytes each. The first is the
	// canonical one. None is there twice.
	Topics []string

	Type        string        // the event's name; at most 1 KiB
	Data        string        // at most 16 MiB
	ContentType string        // of the data; at most 1 KiB
	Key         string        // idempotency key, unique together with the canonical topic, see Retention.KeyAge; at most 1 KiB
	ID          string        // the publisher's own, for Lookup; at most 1 KiB
	Retry       time.Duration // a delay that goes along with the event; milliseconds, none if 0
	Flags       Flags

	// Unknown holds fields that a newer version has written, as they are encoded. They are kept.
	Unknown string
}

// Flags are properties of a record that are either there or not. Unknown ones are kept.
type Flags uint64

const (
	End     Flags = 1 << iota // the last record of its topics: Append to them fails from now on, until age or bytes trim it
	Private                   // not for everybody; what that means is the reader's business
	Binary                    // the data is not text
)

// The limits of records, in bytes but for MaxTopics and MaxCount. A larger one is refused with a *SizeError.
const (
	MaxTopic  = 8 << 10
	MaxTopics = 1000
	MaxField  = 1 << 10 // Type, ContentType, Key, ID
	MaxData   = 16 << 20
	MaxBatch  = 64 << 20 // the records of one Append, by Size
	MaxCount  = 10_000   // their number
)

// Check returns what is wrong with a record that is to be appended: *SizeError or *InvalidError.
func (r *Record) Check() error {
	switch {
	case len(r.Topics) == 0:
		return &InvalidError{What: "record", Reason: "it has no topic, and nobody could read it"}
	case len(r.Topics) > MaxTopics:
		return &SizeError{What: "number of topics", Size: len(r.Topics), Max: MaxTopics}
	case len(r.Data) > MaxData:
		return &SizeError{What: "data", Size: len(r.Data), Max: MaxData}
	case r.Retry < 0:
		return &InvalidError{What: "retry", Value: r.Retry.String(), Reason: "it is negative"}
	}
	for _, topic := range r.Topics {
		if err := CheckTopic(topic); err != nil {
			return err
		}
	}
	if topic, twice := duplicate(r.Topics); twice {
		return &InvalidError{What: "topic", Value: topic, Reason: "the record has it twice"}
	}
	for _, f := range []struct{ what, text string }{
		{"type", r.Type}, {"content type", r.ContentType}, {"key", r.Key}, {"publisher's id", r.ID}, {"unknown fields", r.Unknown},
	} {
		if len(f.text) > MaxField {
			return &SizeError{What: f.what, Size: len(f.text), Max: MaxField}
		}
	}
	return checkUnknown(r.Unknown)
}

// CheckTopic returns a *SizeError if a log cannot take the topic: it has 1 to 8,192 bytes. The rules of native topics,
// which are stricter, are those of [CheckName].
func CheckTopic(topic string) error {
	switch {
	case topic == "":
		return &InvalidError{What: "topic", Reason: "it is empty"}
	case len(topic) > MaxTopic:
		return &SizeError{What: "topic", Size: len(topic), Max: MaxTopic}
	}
	return nil
}

func duplicate(topics []string) (string, bool) {
	const few = 8 // up to here comparing all with all is faster than a map, and allocates nothing
	if len(topics) <= few {
		for i, topic := range topics {
			if slices.Contains(topics[:i], topic) {
				return topic, true
			}
		}
		return "", false
	}
	seen := make(map[string]struct{}, len(topics))
	for _, topic := range topics {
		if _, ok := seen[topic]; ok {
			return topic, true
		}
		seen[topic] = struct{}{}
	}
	return "", false
}

// Size returns what the record counts for in Query.Bytes, Retention.Bytes and MaxBatch: the bytes of its
// topics and fields and 64 more, for what keeps them.
func (r *Record) Size() int {
	n := 64 + len(r.Type) + len(r.Data) + len(r.ContentType) + len(r.Key) + len(r.ID) + len(r.Unknown)
	for _, topic := range r.Topics {
		n += 2 * len(topic) // once in the record, once in the index
	}
	return n
}

// MaxSeq is the largest number that a mirror takes, far beyond what any log will count to: nobody who adds to a number needs
// to think of its end.
const MaxSeq = 1 << 62

// CheckPlaced returns a *RecordError if records that carry number and time of their own cannot stand in a log: numbers rise and
// are above the head, times are of the years 1970 to 9999.
func CheckPlaced(head uint64, records []Record) error {
	for i := range records {
		r := &records[i]
		var err error
		switch {
		case r.Seq <= head || r.Seq > MaxSeq:
			err = &InvalidError{
				What: "sequence number", Value: strconv.FormatUint(r.Seq, 10),
				Reason: fmt.Sprintf("it has to be above %d, the head or the number before it, and at most 2^62", head),
			}
		case r.Time.UTC().Year() < 1970 || r.Time.UTC().Year() > 9999:
			err = &InvalidError{What: "time", Value: r.Time.String(), Reason: "its year is not from 1970 to 9999"}
		}
		if err != nil {
			return &RecordError{Index: i, Err: err}
		}
		head = r.Seq
	}
	return nil
}

// CheckSkip returns an *InvalidError if a mirror cannot skip from a head to a number for a reason.
func CheckSkip(head, to uint64, reason Reason) error {
	switch {
	case to <= head || to > MaxSeq:
		return &InvalidError{
			What: "sequence number", Value: strconv.FormatUint(to, 10),
			Reason: fmt.Sprintf("it has to be above the head, %d, and at most 2^62", head),
		}
	case reason == "":
		return &InvalidError{What: "reason", Reason: "it is empty"}
	case len(reason) > maxReason:
		return &InvalidError{What: "reason", Value: string(reason), Reason: fmt.Sprintf("it has more than %d bytes", maxReason)}
	}
	return nil
}

// maxReason is the length of a Reason, in bytes. A log remembers each, and tells all readers.
const maxReason = 64

// CheckBatch returns what is wrong with records that are to be appended together: a *RecordError, or a *SizeError for
// all of them.
func CheckBatch(records []Record) error {
	if len(records) > MaxCount {
		return &SizeError{What: "number of records", Size: len(records), Max: MaxCount}
	}
	size := 0
	for i := range records {
		if err := records[i].Check(); err != nil {
			return &RecordError{Index: i, Err: err}
		}
		size += records[i].Size()
	}
	if size > MaxBatch {
		return &SizeError{What: "batch", Size: size, Max: MaxBatch}
	}
	return nil
}
