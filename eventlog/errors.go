package eventlog

import (
	"errors"
	"fmt"
	"strconv"
)

// What callers branch on. The typed errors below say more and are one of these to errors.Is.
var (
	ErrClosed      = errors.New("eventlog: the log is closed")
	ErrGap         = errors.New("eventlog: records are missing")
	ErrEnded       = errors.New("eventlog: the topic has ended")
	ErrKeyReused   = errors.New("eventlog: the key was used for other content")
	ErrTooLarge    = errors.New("eventlog: too large")
	ErrInvalid     = errors.New("eventlog: invalid")
	ErrPosition    = errors.New("eventlog: not a position")
	ErrCorrupt     = errors.New("eventlog: corrupt data")
	ErrUnavailable = errors.New("eventlog: the store takes no records at the moment")
)

// Reason is why records are missing.
type Reason string

const (
	Trimmed  Reason = "trimmed"  // retention has removed them
	Reset    Reason = "reset"    // the position is of another generation of the log
	Rollback Reason = "rollback" // they were there, or may have been, and were lost in a crash, or upstream of a mirror
	Corrupt  Reason = "corrupt"  // they are there, but can no longer be read
)

// GapError is a Read that would have been incomplete. It is ErrGap.
type GapError struct {
	Reason Reason
	From   Position // of the query: what is missing comes after it
	To     Position // nothing is missing after it; after a reset, and for a position beyond the head, it is the head
}

func (e *GapError) Error() string {
	return fmt.Sprintf("eventlog: records that match after %v and up to %v are missing (%s)", e.From, e.To, e.Reason)
}

// Is makes a GapError an ErrGap.
func (e *GapError) Is(target error) bool { return target == ErrGap }

// Partial returns the query that goes on from q when its reader has been told: for everything that is still there after
// its position, in order. After a reset, and from a position beyond the head, that is what comes from now on.
func (e *GapError) Partial(q Query) Query {
	q.Told = e.To.Seq
	switch {
	case q.After.IsZero():
		q.After.Gen = e.To.Gen // what was told belongs to this generation
	case q.After.Gen != e.To.Gen || q.After.Seq > e.To.Seq:
		q.After = e.To
	}
	return q
}

// EndedError is an Append to a topic that has ended. It is ErrEnded.
type EndedError struct {
	Topic string
	End   Position // of the record that ended it; if that is in the same Append, which stores nothing, the one it would have had
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("eventlog: topic %s has ended at %v; publish to another one, or wait until retention frees the name",
		quote(e.Topic), e.End)
}

// Is makes an EndedError an ErrEnded.
func (e *EndedError) Is(target error) bool { return target == ErrEnded }

// KeyError is an Append whose key was used for a record with other content. It is ErrKeyReused.
type KeyError struct {
	Topic string // canonical
	Key   string
	First Position // of the record with that key; if that is in the same Append, which stores nothing, the one it would have had
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("eventlog: key %s of topic %s belongs to other content, stored at %v; a new event needs a new key",
		quote(e.Key), quote(e.Topic), e.First)
}

// Is makes a KeyError an ErrKeyReused.
func (e *KeyError) Is(target error) bool { return target == ErrKeyReused }

// RecordError is what is wrong with one record of those that were to be appended.
type RecordError struct {
	Index int // from 0
	Err   error
}

func (e *RecordError) Error() string { return fmt.Sprintf("record %d: %v", e.Index, e.Err) }

func (e *RecordError) Unwrap() error { return e.Err }

// SizeError is something that is larger than a log takes. It is ErrTooLarge.
type SizeError struct {
	What      string
	Size, Max int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("eventlog: %s is too large: %d, the limit is %d", e.What, e.Size, e.Max)
}

// Is makes a SizeError an ErrTooLarge.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }

// InvalidError is something that breaks a rule. It is ErrInvalid.
type InvalidError struct {
	What   string // such as "pattern"
	Value  string // as given; may be empty
	Reason string
}

func (e *InvalidError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("eventlog: invalid %s: %s", e.What, e.Reason)
	}
	return fmt.Sprintf("eventlog: invalid %s %s: %s", e.What, quote(e.Value), e.Reason)
}

// Is makes an InvalidError an ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// PositionError is a text that is no position. It is ErrPosition.
type PositionError struct {
	Text   string
	Reason string
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("eventlog: %s is no position such as k3f9a-10482: %s", quote(e.Text), e.Reason)
}

// Is makes a PositionError an ErrPosition.
func (e *PositionError) Is(target error) bool { return target == ErrPosition }

// CorruptError is stored data that makes no sense. It is ErrCorrupt.
type CorruptError struct {
	What   string // what it should have been, such as "record"
	Offset int    // in bytes; 0: at the beginning, or nobody knows
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("eventlog: corrupt %s: %s", e.What, e.Reason)
	}
	return fmt.Sprintf("eventlog: corrupt %s, at byte %d: %s", e.What, e.Offset, e.Reason)
}

// Is makes a CorruptError an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// UnavailableError is an Append that the store refuses for now: it is full, or has failed and is being opened again.
// Reads may go on. It is ErrUnavailable.
type UnavailableError struct {
	Reason string // what happened and what to do
	Err    error  // the cause; may be nil
}

func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return "eventlog: the log takes no records at the moment: " + e.Reason
	}
	return fmt.Sprintf("eventlog: the log takes no records at the moment: %s: %v", e.Reason, e.Err)
}

// Is makes an UnavailableError an ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

func (e *UnavailableError) Unwrap() error { return e.Err }

// quote shows text from outside in an error: on one line, and not all of it if it is long.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
