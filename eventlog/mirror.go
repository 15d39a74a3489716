package eventlog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Mirror is a log that follows a shared log. It stores the records of the shared log, under the numbers and times that the shared log
// gives. It decides on them as Append does: all mirrors of a shared log make the same decisions. Append fails with [ErrMirror]. The
// methods of Mirror fail with [ErrNotMirror] if the log was not opened as a mirror, except Skip and SetGeneration.
//
// A mirror has no generation of its own. Until the first SetGeneration its Head and Bounds are zero, and Watch has no values. Read
// then returns an empty answer for the zero Position. Apply, Skip and all other reads fail with [ErrNoGeneration].
//
// A mirror never invents a loss: after a crash it continues behind the newest record that it still has, and expects the later ones
// again. State says where that is.
type Mirror interface {
	Log

	// Apply decides on each batch as Append would, in order, and stores those that are not refused. All of them are stored together
	// with the state, or none is. There is one outcome per batch. The head moves to the last number of the last batch, whatever
	// the decisions; it does not move if there is no record.
	//
	// The decisions depend only on the batches before, the generations and the retention rules. They do not depend on how batches
	// are divided among calls, or on the clock.
	//
	// Apply calls state with the outcomes and stores what it returns, together with the records. This state belongs to the caller, and
	// the log does not interpret it; Apply panics if it has more than [MaxState] bytes. state is called at most once, and must not call
	// the log. If state is nil, the state stays as it is. A call without batches stores the state alone.
	//
	// After an error nothing is stored. Only after an error of the context or the store may the records be stored. An *InvalidError says
	// which number or time does not fit: numbers rise and are above the head and at most [MaxSeq], times are of the years 1970 to 9999.
	Apply(ctx context.Context, batches []Batch, state func([]Outcome) []byte) ([]Outcome, error)

	// State returns the state of the last Apply, nil if there was none. A later SetGeneration does not change it. After a crash,
	// the state is as old as the records: it was stored with the newest of them.
	State(ctx context.Context) ([]byte, error)

	// Skip moves the head to a sequence number. All records in between count as lost, for all topics: readers that cross it get a gap with
	// this reason, which has at most 64 bytes.
	Skip(ctx context.Context, to uint64, reason Reason) error

	// SetGeneration begins a new generation after a sequence number. Records above it are dropped; the others stay and get positions of
	// the new generation. Readers with positions of the old one get a gap. From then on the mirror decides as if it had never had the
	// dropped records, as long as those cover at most [UndoTime] and [Retention.UndoKeys]. A call with the current generation and number
	// changes nothing, so that a caller can repeat it after a crash.
	SetGeneration(ctx context.Context, gen string, after uint64) error

	// SetRetention replaces the retention rules, durably: the log keeps them when it is opened with others. All mirrors of a shared log
	// must do this at the same position in it, because the rules say how long keys are known and ends hold. Ends and keys that have
	// expired under the old rules by the time of the newest record stay expired.
	SetRetention(ctx context.Context, r *Retention) error

	// SetClock sets the clock by which retention counts the age of records: that of the shared log. The clock of one machine alone may be wrong,
	// and then its mirror would trim what all others keep. now is called concurrently. Before the first call the mirror trims nothing by
	// age, unless its options have a clock.
	SetClock(now func() time.Time)
}

// unset is the clock of a mirror that has none yet: no record is old.
func unset() time.Time { return time.UnixMilli(0) }

// Checker is a log that reads everything that it has stored, once after it was opened, to find damage while there is another copy.
type Checker interface {
	// Checked reports whether that is done, and whether any damage has been found, by this or any other call.
	Checked() (done, damaged bool)
}

// Batch is the argument of one Append, stored or refused as a whole, with the numbers and the time that the shared log gave it.
type Batch struct {
	// First is the number of the first record that is stored; the others follow. The numbers up to First + len(Records) - 1 belong to the
	// batch. As in Append, a duplicate takes no number, so the last of these numbers may remain unused.
	First   uint64
	Time    time.Time // of all records, in milliseconds. If it is before that of the newest record, they get the time of that record
	Records []Record  // Seq and Time are ignored. The log may keep the slice and its contents, which must not change any more

	// Encoded, if not nil, has each of Records as [Record.AppendTo] encodes it, so that a mirror can store these bytes instead of encoding the
	// records again. [DecodeRecord] accepts one encoding of a record only.
	Encoded []string
}

// last returns the last number that belongs to a batch.
func (b *Batch) last() uint64 { return b.First + uint64(len(b.Records)) - 1 }

// Outcome is the result of a Batch.
type Outcome struct {
	Receipts []Receipt // one per record; nil if the batch was refused
	// Err is the error with which Append would have refused the batch: a *RecordError, or a *SizeError of all records together. The
	// numbers of the batch remain unused.
	Err error
}

const (
	// MaxSeq is the largest sequence number that a mirror accepts. No log reaches it by counting, and sums of it do not overflow.
	MaxSeq = 1 << 62

	MaxState = 1024 // bytes of the state of [Mirror.Apply]

	// UndoTime is how long a mirror remembers expired ends and keys, and the times of removed records. SetGeneration may drop the records
	// by whose time they expired.
	UndoTime = time.Hour

	maxApply  = 1 << 30 // bytes of the records of one Apply, by Record.Size
	maxReason = 64      // bytes of a Reason
)

// NewState returns a copy of the state that state returns for outcomes. It panics if that is too large.
func NewState(state func([]Outcome) []byte, outcomes []Outcome) []byte {
	b := slices.Clone(state(outcomes))
	if len(b) > MaxState {
		panic(fmt.Sprintf("eventlog: the state of a mirror has %d bytes, the limit is %d", len(b), MaxState))
	}
	return b
}

// CheckApply returns an *InvalidError or *SizeError if a mirror with this head cannot apply the batches. It does not check the records
// themselves: an invalid record is a reason to refuse its batch, see [CheckBatch].
func CheckApply(head uint64, batches []Batch) error {
	size := 0
	for i := range batches {
		b := &batches[i]
		if b.First <= head || b.First > MaxSeq || b.last() > MaxSeq {
			return &InvalidError{
				What: "sequence number", Value: strconv.FormatUint(b.First, 10),
				Reason: fmt.Sprintf("it has to be above %d, the head or the number before it, and at most 2^62", head),
			}
		}
		if year := b.Time.UTC().Year(); year < 1970 || year > 9999 {
			return &InvalidError{What: "time", Value: b.Time.String(), Reason: "its year is not from 1970 to 9999"}
		}
		head = max(head, b.last())
		for j := range b.Records {
			size += b.Records[j].Size()
		}
	}
	if size > maxApply {
		return &SizeError{What: "call of Apply", Size: size, Max: maxApply}
	}
	return nil
}

// CheckSkip returns an *InvalidError if a mirror cannot skip from a head to a number for this reason.
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

// CheckGeneration returns an error if a mirror at this head cannot begin a generation after a number. repeated is true if the log is
// already there.
func CheckGeneration(head Position, gen string, after uint64) (repeated bool, err error) {
	switch {
	case !ValidGeneration(gen):
		return false, &InvalidError{What: "generation", Value: gen, Reason: "it has to be 5 or 6 characters a-z0-9"}
	case after > head.Seq:
		return false, &InvalidError{
			What: "sequence number", Value: strconv.FormatUint(after, 10),
			Reason: "the head is only at " + strconv.FormatUint(head.Seq, 10),
		}
	case gen == head.Gen && after < head.Seq:
		return false, &InvalidError{What: "generation", Value: gen, Reason: "it is the current one, in which numbers must not be used twice"}
	}
	return gen == head.Gen, nil
}

// Snapshotter is a log that can copy itself while it is used.
type Snapshotter interface {
	// Snapshot writes a copy of the log into a new directory, from which a log of the same kind opens with the same generation,
	// records, decisions and state. The copy is on disk when Snapshot returns. The directory must not exist. If Snapshot fails, it removes
	// what it has written.
	Snapshot(ctx context.Context, dir string) error
}
