// Package eventlog is the contract of an append-only log of events that is indexed by topic, and such a log in memory.
// The durable one is package disklog; every log passes the tests of package logtest.
//
//	log, err := eventlog.NewMemory(nil)
//	receipts, err := log.Append(ctx, []eventlog.Record{{Topics: []string{"news"}, Data: "hello"}})
//
// A reader asks for what comes after a position, and moves on:
//
//	q := eventlog.Query{Selector: eventlog.Topics("news"), After: log.Head()}
//	for {
//		answer, err := log.Read(ctx, q)
//		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
//			tell(gap)           // something that matched is gone,
//			q = gap.Partial(q)  // and this asks for the rest
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
// This is the loop of a log's only reader: Watch wakes one. With several, one goroutine receives and wakes the others.
//
// # What is promised
//
// Order: a log has one sequence for all topics. Sequence numbers rise, none is ever used twice within a generation, and
// one that is missing means nothing. Every reader sees the same order. The records of one Append stand together.
//
// Visibility: a record that one Read has returned is in every later Read until it is trimmed or superseded; nothing ever
// appears before a position up to which a Read was complete. When Append returns, Read gives the records.
//
// Durability: as the implementation says. What Append has acknowledged survives whatever it promises to survive.
// An Append that failed with an error of the context or of the store may have been stored; a [Record.Key] makes it safe to
// repeat.
//
// Loss: never silent. A Read whose answer would lack a record that matches, was stored after the position asked for and has
// not been superseded, fails whole with a [*GapError]. Who has told the reader goes on with [GapError.Partial].
// For topics by name that is exact, as long as the log remembers the topic ([Retention.Topics]); for patterns and forgotten
// topics it may be reported without need, never withheld.
//
// Retention: each topic of a record keeps it on its own. A record is there as long as one of its topics does so, and a
// reader finds it through exactly those that do. See [Retention].
//
// Slowness: a reader holds up nothing and nobody, but for SetGeneration, and those who wait for that, while its filter is
// called. One that is slower than retention is overtaken and gets a gap. Append waits for the store, and for others that
// append.
//
// Concurrency: all methods of a log may be called from any number of goroutines, Close included.
package eventlog

import (
	"context"
	"time"
)

// Log is an append-only log of events, indexed by topic. The package comment has its promises. Programs use the methods as
// they are; those who write a log prove it with package logtest.
type Log interface {
	// Append stores records, all or none, and returns a receipt for each when they are as durable as the log makes
	// them. What is wrong with one of them is a [*RecordError] that says which.
	//
	// Whether a topic has ended and whether a key was used is decided in log order: of two calls at the same
	// time one comes first. A record whose key is known is not stored again and gets the first receipt, marked
	// Duplicate.
	//
	// When ctx is over before that, its error is returned, and the records may be stored nevertheless. The log
	// keeps nothing of the slice; Seq and Time in it are ignored.
	Append(ctx context.Context, records []Record) ([]Receipt, error)

	// Read returns what matches after a position, in order, and up to where that is everything there is. It never waits
	// for records to come. Its cost is that of what matches, not of what is stored.
	//
	// Errors: [*GapError] when the answer would lack something, [ErrClosed], the context's, and the store's.
	Read(ctx context.Context, q Query) (Answer, error)

	// Seek returns the query with which a reader begins that wants some history: the last records that match, those
	// since a time, or all there are. What is gone before is not reported as a gap: it sets Query.Told. What goes later
	// and is above that is.
	Seek(ctx context.Context, s Selector, from Start) (Query, error)

	// Head returns the position of the newest record that readers can see. In a log that never had one it is
	// number 0, a valid position before everything.
	Head() Position

	// Bounds tells what the log holds.
	Bounds() Bounds

	// Watch returns a channel that receives after Head has moved; several moves may become one. It is always the
	// same channel, for one receiver that reads on until it reaches Head, and is closed by Close.
	Watch() <-chan struct{}

	// Close ends the log. Calls that wait return ErrClosed, or their result if it was on its way. It returns when
	// nothing of the log runs any more, with the error that the last write has met. Closing twice is harmless.
	Close() error
}

// Query asks for the records that match and come after a position.
type Query struct {
	Selector Selector

	// After is the position of the last record that the reader knows. A position of another generation is
	// answered by a gap, one beyond the head too. The zero Position comes before everything in any generation.
	After Position

	// Told is the sequence number up to which the reader has been told of gaps: what is missing up to it is no error,
	// also if it goes only now. It belongs to the generation of After.
	// [GapError.Partial] and [Log.Seek] set it.
	Told uint64

	Limit int // records in one answer; 0 means 1,000, at most 10,000
	Bytes int // of topics and data in one answer, beyond which no record is added; 0 means 1 MiB, at most 64 MiB
}

const (
	defaultLimit, maxLimit = 1000, 10_000
	defaultBytes, maxBytes = 1 << 20, 64 << 20
)

// WithDefaults returns q with the limits that an implementation goes by.
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

// Answer is what a Read found.
type Answer struct {
	// Records are those that match, in order. They and what they refer to belong to everybody: nobody changes them.
	Records []Record

	// Complete is the position up to which Records is everything that matches; the next query's After. It may be
	// beyond the last record, since others may have followed that did not match, and it may be short of the head
	// with no record at all, when there was much to look through.
	Complete Position
}

// Start says where a reader begins that wants history. The zero Start is the earliest record there is.
type Start struct {
	Last  int       // this many of the newest records that match, over all topics together; 0 does not ask for it
	Since time.Time // the records of this time and later; zero does not ask for it
}

// MaxLast is the largest number that [Start.Last] may ask for.
const MaxLast = 100_000

// Check returns an error if the start asks for two things at once or for too much.
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

// Receipt is what became of one record.
type Receipt struct {
	Position

	Time      time.Time // of the record, in the log's order never earlier than the one before; milliseconds, UTC
	Duplicate bool      // the key was known, and Position and Time are those of the first record

	// Refused is why AppendAt of a [Mirror] has left a record out: *EndedError, *KeyError. Append never sets it.
	Refused error
}

// Bounds is what a log holds at one moment.
type Bounds struct {
	Head   Position
	First  uint64 // sequence number of the oldest record; 0 if there is none
	Events int64  // records
	Bytes  int64  // that they count for, see Retention.Bytes

	// Trimmed is the highest sequence number that a topic has lost by trimming. A reader at or after it can miss
	// nothing.
	Trimmed uint64

	// Floor is the highest sequence number of a topic that is dead and forgotten. A reader before it gets a gap for
	// every topic that the log does not know.
	Floor uint64

	DeadTopics int64 // topics without records that are remembered with what they have lost
	DeadBytes  int64 // that they count for, see DeadTopicSize
}

// Mirror is a log that can follow another one: it takes positions as they are given. Whoever mirrors does not call Append.
type Mirror interface {
	Log

	// AppendAt stores records at the positions in their Seq, up to MaxSeq, and with the Time they carry, of the years 1970
	// to 9999. Positions rise, and are above the head. Unlike Append it takes each for itself: what log order refuses is
	// left out, and its receipt says why. When it fails it has stored none.
	AppendAt(ctx context.Context, records []Record) ([]Receipt, error)

	// Skip moves the head to a sequence number and records that what is between is lost, for all topics: every
	// reader that crosses it gets a gap with this reason, of at most 64 bytes.
	Skip(ctx context.Context, to uint64, reason Reason) error

	// SetGeneration begins a new generation, after a sequence number: records above it are dropped, the others stay,
	// now with positions of the new one. Readers with positions of the old one get a gap.
	SetGeneration(ctx context.Context, gen string, after uint64) error
}

// Lookup is a log that finds records by [Record.ID], the publisher's own.
type Lookup interface {
	// Lookup returns the position of the newest record with that ID, and whether there is one.
	Lookup(ctx context.Context, id string) (Position, bool, error)
}

// Readier is a log that tells whether it takes records at the moment.
type Readier interface {
	// Ready returns nil, or the error with which Append would refuse a record. It waits no longer than ctx.
	Ready(ctx context.Context) error
}

// Lister is a log that tells which topics there are.
type Lister interface {
	// Topics returns the topics of which there are records and that m matches, in the order of their names, those after a
	// name, at most limit. It costs what is looked at: all topics with the prefix of m.
	Topics(ctx context.Context, m Matcher, after string, limit int) ([]TopicInfo, error)
}

// TopicInfo is what a log has of a topic.
type TopicInfo struct {
	Name   string
	Events int64  // records, an end included
	Last   uint64 // sequence number of the newest
	Ended  bool
}
