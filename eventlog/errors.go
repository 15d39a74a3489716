package eventlog

import (
	"errors"
	"fmt"
	"strconv"
)

// Sentinels for errors.Is. Each typed error below matches one of them and adds details.
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
	ErrUnknown     = errors.New("eventlog: whether the records were stored is not known") // by logs that hubs share
	ErrMirror      = errors.New("eventlog: the log is a mirror, which takes records from its shared log only")
	ErrNotMirror   = errors.New("eventlog: the log was not opened as a mirror")
)

// ErrNoGeneration is returned by a [Mirror] before its first SetGeneration. It matches ErrUnavailable.
var ErrNoGeneration error = &UnavailableError{Reason: "it mirrors a shared log and has received nothing from it yet; try again later"}

// Reason says why records are missing.
type Reason string

const (
	Trimmed  Reason = "trimmed"  // removed by retention
	Reset    Reason = "reset"    // the reader's position is of another generation of the log
	Rollback Reason = "rollback" // lost, or possibly lost, in a crash here or in the log that is mirrored
	Corrupt  Reason = "corrupt"  // on disk, but unreadable
)

// GapError is returned by a Read whose answer would be incomplete. It matches ErrGap.
type GapError struct {
	Reason Reason
	From   Position // of the query: the missing records come after it
	To     Position // of the last missing record. After a reset, or if From is beyond the head: the head
}

func (e *GapError) Error() string {
	return fmt.Sprintf("eventlog: records that match after %v and up to %v are missing (%s)", e.From, e.To, e.Reason)
}

// Is reports whether target is ErrGap.
func (e *GapError) Is(target error) bool { return target == ErrGap }

// Partial returns the query that continues after the gap was reported to the reader: it finds the retained records after
// q.After. After a reset, and from a position beyond the head, it finds new records only.
func (e *GapError) Partial(q Query) Query {
	q.Told = e.To.Seq
	switch {
	case q.After.IsZero():
		q.After.Gen = e.To.Gen // Told belongs to this generation
	case q.After.Gen != e.To.Gen || q.After.Seq > e.To.Seq:
		q.After = e.To
	}
	return q
}

// EndedError is returned by an Append to a topic that has ended. It matches ErrEnded.
type EndedError struct {
	Topic string
	End   Position // of the record that ended it. If that record is in the same Append, which stores nothing: its intended position
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("eventlog: topic %s has ended at %v; publish to another one, or wait until the end expires",
		quote(e.Topic), e.End)
}

// Is reports whether target is ErrEnded.
func (e *EndedError) Is(target error) bool { return target == ErrEnded }

// KeyError is returned by an Append whose key was used for a record with other content. It matches ErrKeyReused.
type KeyError struct {
	Topic string // canonical
	Key   string
	First Position // of the record with that key. If that record is in the same Append, which stores nothing: its intended position
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("eventlog: key %s of topic %s belongs to other content, stored at %v; a new event needs a new key",
		quote(e.Key), quote(e.Topic), e.First)
}

// Is reports whether target is ErrKeyReused.
func (e *KeyError) Is(target error) bool { return target == ErrKeyReused }

// RecordError says which record of an Append is invalid, and why.
type RecordError struct {
	Index int // from 0
	Err   error
}

func (e *RecordError) Error() string { return fmt.Sprintf("record %d: %v", e.Index, e.Err) }

func (e *RecordError) Unwrap() error { return e.Err }

// SizeError reports something larger than a log accepts. It matches ErrTooLarge.
type SizeError struct {
	What      string
	Size, Max int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("eventlog: %s is too large: %d, the limit is %d", e.What, e.Size, e.Max)
}

// Is reports whether target is ErrTooLarge.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }

// InvalidError reports a value that breaks a rule. It matches ErrInvalid.
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

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// PositionError reports a text that is not a position. It matches ErrPosition.
type PositionError struct {
	Text   string
	Reason string
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("eventlog: %s is no position such as k3f9a-10482: %s", quote(e.Text), e.Reason)
}

// Is reports whether target is ErrPosition.
func (e *PositionError) Is(target error) bool { return target == ErrPosition }

// CorruptError reports stored data that cannot be decoded. It matches ErrCorrupt.
type CorruptError struct {
	What   string // what the data should be, such as "record"
	Offset int    // in bytes; 0: at the beginning, or unknown
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("eventlog: corrupt %s: %s", e.What, e.Reason)
	}
	return fmt.Sprintf("eventlog: corrupt %s, at byte %d: %s", e.What, e.Offset, e.Reason)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// UnavailableError is returned by Append while the store accepts no records: its disk is full, or the log reopens it after a
// failure. Reads may still work. It matches ErrUnavailable.
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

// Is reports whether target is ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

func (e *UnavailableError) Unwrap() error { return e.Err }

// quote quotes text from outside for an error: on one line, and cut off if it is long.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
