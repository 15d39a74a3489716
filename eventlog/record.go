package eventlog

import (
	"slices"
	"time"
)

// Record is an event in a log. Its strings, except Type, may hold any bytes; the log does not interpret them.
type Record struct {
	Seq  uint64    // set by the log: the sequence number
	Time time.Time // set by the log: when it was appended; milliseconds, UTC

	// Topics are the names under which readers find the record: 1 to 1,000 different ones of 1 to 8,192 bytes. The first is the
	// canonical topic.
	Topics []string

	Type        string        // the event's name; at most 1 KiB
	Data        string        // at most 16 MiB
	ContentType string        // of the data; at most 1 KiB
	Key         string        // idempotency key, unique within the canonical topic, see Retention.KeyAge; at most 1 KiB
	ID          string        // the publisher's own ID, for Lookup; at most 1 KiB
	Retry       time.Duration // the reconnection time that is sent with the event, in milliseconds; 0: none
	Flags       Flags

	// Unknown holds encoded fields that a newer version wrote. The log keeps them.
	Unknown string
}

// Flags are properties of a record. The log keeps flags that it does not know.
type Flags uint64

const (
	End     Flags = 1 << iota // ends its topics: Append to them fails for Rule.EndAge from the time of this record
	Private                   // only for some readers; the filters of their selectors decide
	Binary                    // the data is not text
)

// Limits of records, in bytes except MaxTopics and MaxCount. Larger ones are refused with a *SizeError.
const (
	MaxTopic  = 8 << 10
	MaxTopics = 1000
	MaxField  = 1 << 10 // Type, ContentType, Key, ID
	MaxData   = 16 << 20
	MaxBatch  = 64 << 20 // the records of one Append, by Size
	MaxCount  = 10_000   // number of records in one Append
)

// Check returns a *SizeError or *InvalidError if the record cannot be appended.
func (r *Record) Check() error {
	switch {
	case len(r.Topics) == 0:
		return &InvalidError{What: "record", Reason: "it has no topic"}
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

// CheckTopic returns an error if a log cannot store the topic: it has 1 to 8,192 bytes. [CheckName] has the stricter rules of
// native topics.
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
	const few = 8 // up to this many, comparing each with each is faster than a map, and allocates nothing
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

// Size returns the size of the record, as Query.Bytes, Retention.Bytes and MaxBatch count it: its topics twice, its other fields, and
// 64 bytes of overhead.
func (r *Record) Size() int {
	n := 64 + len(r.Type) + len(r.Data) + len(r.ContentType) + len(r.Key) + len(r.ID) + len(r.Unknown)
	for _, topic := range r.Topics {
		n += 2 * len(topic) // in the record and in the index
	}
	return n
}

// CheckBatch returns an error if these records cannot be appended together: a *RecordError for one of them, or a *SizeError
// for all.
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
