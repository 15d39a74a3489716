// Package eventlog defines an append-only log of events that is indexed by topic, and implements it in memory.
// Package disklog implements it durably. Every implementation passes the tests of package logtest.
//
//	log, err := eventlog.NewMemory(nil)
//	receipts, err := log.Append(ctx, []eventlog.Record{{Topics: []string{"news"}, Data: "hello"}})
//
// A reader asks for the records after a position, and continues from the position that the answer gives:
//
//	q := eventlog.Query{Selector: eventlog.Topics("news"), After: log.Head()}
//	for {
//		answer, err := log.Read(ctx, q)
//		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
//			report(gap)         // records that match are missing;
//			q = gap.Partial(q)  // ask for the retained ones
//			continue
//		} else if err != nil {
//			return err
//		}
//		deliver(answer.Records)
//		if q.After = answer.Complete; q.After == log.Head() {
//			<-log.Watch()
//		}
//	}
//
// This loop is for a log with one reader, because Watch wakes one receiver. With several readers, one goroutine receives from
// Watch and wakes them.
//
// # Promises
//
// Order: a log has one sequence for all topics, and every reader sees the same order. Sequence numbers rise, and none is used
// twice within a generation. A missing number does not mean that a record is missing. The records of one Append have consecutive
// numbers.
//
// Visibility: if one Read returned a record, every later matching Read returns it until it is trimmed or superseded. No new record
// appears at or before a position up to which a Read was complete. When Append returns, Read finds the records.
//
// Durability: each implementation says which failures an acknowledged record survives. If Append fails with an error of the
// context or of the store, the records may be stored nevertheless; a [Record.Key] makes it safe to append them again.
//
// Loss: never silent. If a matching record after the query's position is gone, Read returns no records and a [*GapError].
// Superseded records do not count as gone. After it has reported the gap, the caller continues with [GapError.Partial]. Gaps of
// topics selected by name are exact as long as the log remembers the topic ([Retention.Topics]). For patterns and forgotten
// topics, Read may report a gap although nothing is missing, but it never hides a loss.
//
// Retention: each topic of a record keeps it independently. A record exists as long as one of its topics keeps it, and readers
// find it through those topics only. See [Retention].
//
// Ends: a record with the flag [End] ends its topics. Append refuses further records of these topics for as long as [Rule.EndAge]
// says, by the times of the records alone. It does not matter whether retention has removed the end, or when.
//
// Slow readers: a reader blocks no other call, except SetGeneration, which waits while a reader's filter runs. Retention does not
// wait for readers: a reader that is slower gets a gap. Append waits for the store and for other appends.
//
// Concurrency: all methods of a log are safe for concurrent use, Close included.
package eventlog

import (
	"context"
	"time"
)

// Log is an append-only log of events, indexed by topic. Its promises are in the package comment. Implementers test their log with
// package logtest.
type Log interface {
	// Append stores all records or none. It returns one receipt per record, once the records are as durable as the log promises.
	// If one record is invalid, the error is a [*RecordError] with its index. Append checks ended topics and used keys in log
	// order, also between concurrent calls. It does not store a record with a known key again: the receipt is that of the first
	// record, marked Duplicate.
	//
	// If ctx ends first, Append returns the context's error, and the records may be stored nevertheless. The log does not
	// keep the slice. It ignores Seq and Time of the records.
	Append(ctx context.Context, records []Record) ([]Receipt, error)

	// Read returns the records that match and come after a position, in order, and the position up to which the answer is
	// complete. It does not wait for new records. Its cost depends on the records that match, not on those stored.
	//
	// Errors: [*GapError] if records are missing, [ErrClosed], and errors of the context and the store.
	Read(ctx context.Context, q Query) (Answer, error)

	// Seek returns the query for a reader that starts in the past: with the last records that match, those since a time, or all of
	// them. The query does not report records missing before that start as a gap, because Seek sets Query.Told.
	Seek(ctx context.Context, s Selector, from Start) (Query, error)

	// End returns the position of the record that ended a topic, and the zero Position if a record can be appended to it now. An
	// end holds for as long as the record's time and [Rule.EndAge] say, even if retention removed the record itself.
	End(ctx context.Context, topic string) (Position, error)

	// Head returns the position of the newest visible record. In an empty log it has number 0, which is a valid position
	// before all records.
	Head() Position

	// Bounds describes what the log holds at this moment.
	Bounds() Bounds

	// Watch returns a channel that receives a value after Head has moved. Several moves may be merged into one value. The
	// channel is always the same, has one receiver, and is closed by Close.
	Watch() <-chan struct{}

	// Close closes the log. Waiting calls return ErrClosed, or their result if the log has already begun to carry them out. Close
	// returns the error of the last write, after all goroutines of the log have ended. Further calls do nothing.
	Close() error
}

// Query selects the records that match a selector and come after a position.
type Query struct {
	Selector Selector

	// After is the position of the last record that the reader knows. The zero Position is before all records of any
	// generation. A position of another generation, or beyond the head, results in a gap.
	After Position

	// Told is the sequence number up to which gaps were already reported to the reader. Records missing up to it cause no gap,
	// even if they are trimmed later. It belongs to the generation of After. [GapError.Partial] and [Log.Seek] set it.
	Told uint64

	Limit int // maximum number of records in an answer; 0 means 1,000, and more than 10,000 means 10,000
	Bytes int // no record is added to an answer beyond this many bytes of topics and data; 0 means 1 MiB, at most 64 MiB
}

const (
	defaultLimit, maxLimit = 1000, 10_000
	defaultBytes, maxBytes = 1 << 20, 64 << 20
)

// WithDefaults returns q with its limits filled in, as implementations use them.
func (q Query) WithDefaults() Query {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	if q.Bytes <= 0 {
		q.Bytes = defaultBytes
	}
	q.Limit, q.Bytes = min(q.Limit, maxLimit), min(q.Bytes, maxBytes)
	return q
}

// Answer is the result of a Read.
type Answer struct {
	// Records are the matching records, in order. They are shared with other readers: do not modify them or what they refer to.
	Records []Record

	// Complete is the position up to which the answer is complete, and After of the next query. It may be beyond the last record,
	// if later ones did not match. It may be before the head even if there is no record, if the search was long.
	Complete Position
}

// Start defines where a reader of history begins. The zero Start is the oldest record.
type Start struct {
	Last  int       // with this many of the newest matching records, over all topics together; 0: not by number
	Since time.Time // with the records of this time and later; zero: not by time

	// Before limits Last to the records with lower sequence numbers, so that a reader can page backwards. It may be beyond the head. 0: no
	// limit. Without Last it has no effect.
	Before uint64
}

// MaxLast is the largest value of [Start.Last].
const MaxLast = 100_000

// Check returns an *InvalidError or *SizeError if the start has both Last and Since, or a Last out of range.
func (s Start) Check() error {
	switch {
	case s.Last != 0 && !s.Since.IsZero():
		return &InvalidError{What: "start", Reason: "it asks for the last records and for those since a time; choose one"}
	case s.Last < 0:
		return &InvalidError{What: "start", Reason: "a negative number of last records"}
	case s.Last > MaxLast:
		return &SizeError{What: "number of last records", Size: s.Last, Max: MaxLast}
	}
	return nil
}

// Receipt is the result of appending one record.
type Receipt struct {
	Position

	Time      time.Time // of the record, in milliseconds, UTC; never earlier than that of the record before
	Duplicate bool      // the key was already used; Position and Time are those of the first record
}

// Bounds describes what a log holds.
type Bounds struct {
	Head   Position
	First  uint64 // sequence number of the oldest record; 0 if there is none
	Events int64  // records
	Bytes  int64  // their size, as retention counts it: see Record.Size

	// Trimmed is the highest sequence number that was trimmed from any topic. A reader at or after it misses nothing.
	Trimmed uint64

	// Floor is the highest sequence number of the topics that were forgotten (see Retention.Topics). A reader before it gets a
	// gap for every topic that the log does not know.
	Floor uint64

	DeadTopics int64 // topics without records that the log remembers, to report what they lost
	DeadBytes  int64 // their size, as retention counts it: see DeadTopicSize
}

// Lookup is a log that finds records by [Record.ID], the publisher's own ID.
type Lookup interface {
	// Lookup returns the position of the newest record with that ID, and whether there is one.
	Lookup(ctx context.Context, id string) (Position, bool, error)
}

// Readier is a log that reports whether it accepts records.
type Readier interface {
	// Ready returns nil, or the error with which Append would refuse a record. It waits no longer than ctx.
	Ready(ctx context.Context) error
}

// Storer is a log that describes how it keeps its records.
type Storer interface {
	Storage() Storage
}

// Storage describes how a log keeps its records, for the people who run it.
type Storage struct {
	Durability Durability
	Bytes      int64 // the limit of all records together, by Record.Size; 0: no limit
	Free       int64 // free bytes on the disk; negative: the log is on none, or they cannot be read
}

// Durability says which records that Append acknowledged survive a crash.
type Durability string

const (
	DurabilityMemory   Durability = "memory"   // none
	DurabilityInterval Durability = "interval" // all but the newest ones
	DurabilityAlways   Durability = "always"   // all
	DurabilityShared   Durability = "shared"   // those that the shared log of the cluster keeps
)

// Lister is a log that lists its topics.
type Lister interface {
	// Topics returns topics that have records, in the order of their names. Its cost depends on the number of topics that begin with the
	// prefix of q.Matcher and come after q.After.
	Topics(ctx context.Context, q TopicQuery) ([]TopicInfo, error)
}

// TopicQuery selects topics.
type TopicQuery struct {
	Matcher Matcher
	After   string // only topics that follow this name in the order of the list; "": from the beginning
	Limit   int    // the maximum number of topics
	Reverse bool   // the last name comes first

	// Sizes fills TopicInfo.Bytes. A log may have to visit the index of each record of the topics.
	Sizes bool
}

// TopicInfo describes a topic.
type TopicInfo struct {
	Name   string
	Events int64     // records, including the one that ended the topic
	Bytes  int64     // their sizes, see Record.Size; a record with several topics counts in each. Only with TopicQuery.Sizes
	Last   uint64    // sequence number of the newest record
	Time   time.Time // of the newest record; zero if the record cannot be read
	Ended  bool      // see [Log.End]
	Rule   Rule      // which records the topic keeps; Rule.Pattern is the zero Pattern for a default
}
