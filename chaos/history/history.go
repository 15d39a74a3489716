// Package history records a run: one line of JSON for each operation of a publisher, for each event that a subscriber received, and for
// each fault. Package check reads it.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is the kind of a line.
type Kind string

// The kinds of lines.
const (
	Run        Kind = "run"        // the first line: Why is the command line, Seed repeats the run, Promise lists the promises of the hubs
	Publish    Kind = "publish"    // Who sent Events to Hub from At to End, with an Outcome
	Read       Kind = "read"       // Who read a topic of Hub from At to End, from its first event on, and got Names
	Connect    Kind = "connect"    // Who asked Hub for the events that Select describes, after the positions After; Why says why it failed
	Event      Kind = "event"      // Who received Name with the position ID; Why if it differed from what was published
	Checkpoint Kind = "checkpoint" // Who received a checkpoint: it has everything up to ID
	Gap        Kind = "gap"        // Who received a gap: events up to To are lost, because of Why
	Ended      Kind = "ended"      // Who received the end of Topics
	Retry      Kind = "retry"      // Who was asked to reconnect later
	Closed     Kind = "closed"     // the stream of Who ended
	Fault      Kind = "fault"      // the fault Name lasted from At to End; Why describes its target
	Stopped    Kind = "stopped"    // publishers send nothing new from now on
	Stuck      Kind = "stuck"      // after the fault Name not all nodes became ready; Why says which
	Fell       Kind = "fell"       // the node Who ended by itself, with the error Why
	Dump       Kind = "dump"       // Hub has Name at ID at the end; a line with Why instead says that the hub could not be read
	Hole       Kind = "hole"       // at the end Hub reports the events from ID to To as lost, both included
)

// NotUnderstood begins the reason of a stream that was closed because its subscriber could not parse it.
const NotUnderstood = "not understood"

// Outcome is the outcome of a request, as far as its publisher knows it.
type Outcome string

// The outcomes.
const (
	OK        Outcome = "ok"        // stored
	Duplicate Outcome = "duplicate" // stored earlier, with the same key
	Refused   Outcome = "refused"   // not stored, and never will be
	Busy      Outcome = "busy"      // not stored, and it can be tried again
	Unknown   Outcome = "unknown"   // stored, or not, or later
)

// Position is the place of an event in an order. Positions of different orders or generations cannot be compared.
type Position struct {
	Order string // "" if all topics share one
	Gen   string // changes when the hub cannot prove that old positions still name the same events
	Seq   uint64
}

// MarshalText returns gen-seq, or gen-seq@order.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the text of MarshalText.
func (p Position) String() string {
	text := p.Gen + "-" + strconv.FormatUint(p.Seq, 10)
	if p.Order != "" {
		text += "@" + p.Order
	}
	return text
}

// UnmarshalText parses the text of MarshalText.
func (p *Position) UnmarshalText(text []byte) error {
	place, order, _ := strings.Cut(string(text), "@")
	cut := strings.LastIndexByte(place, '-')
	seq, err := strconv.ParseUint(place[cut+1:], 10, 64)
	if cut < 0 || err != nil {
		return fmt.Errorf("%q is not a position", text)
	}
	*p = Position{order, place[:cut], seq}
	return nil
}

// Sent is an event as a publisher sends it. Its name is unique: it is the idempotency key, and the data begins with it.
type Sent struct {
	Name   string   `json:"name"`
	Topics []string `json:"topics,omitempty"` // the first is canonical
	End    bool     `json:"end,omitempty"`    // ends its topics
}

// Selection is the selection of a subscriber.
type Selection struct {
	Exact    []string `json:"exact,omitempty"`
	Patterns []string `json:"patterns,omitempty"` // as in package eventlog
}

// Entry is a line of a history. Times are microseconds since the run began. The Kind defines the meaning of the fields.
type Entry struct {
	Kind Kind   `json:"kind"`
	At   int64  `json:"at"`
	End  int64  `json:"end,omitempty"`
	Who  string `json:"who,omitempty"`
	Hub  int    `json:"hub,omitempty"` // from 1
	Why  string `json:"why,omitempty"`

	Events  []Sent     `json:"events,omitempty"`
	Outcome Outcome    `json:"outcome,omitempty"`
	IDs     []Position `json:"ids,omitempty"` // of Events, if the answer has one for each

	Select *Selection `json:"select,omitempty"`
	After  []Position `json:"after,omitempty"`
	ID     *Position  `json:"id,omitempty"`
	To     *Position  `json:"to,omitempty"`
	Name   string     `json:"name,omitempty"`
	Names  []string   `json:"names,omitempty"`
	Topics []string   `json:"topics,omitempty"`

	Loss    bool     `json:"loss,omitempty"` // a fault after which subscribers may get gaps
	Seed    uint64   `json:"seed,omitempty"`
	Promise *Promise `json:"promise,omitempty"`
}

// Promise lists the promises of the hubs, which the checker checks.
type Promise struct {
	Durable    bool `json:"durable"`    // acknowledged events survive the faults without Loss
	OneOrder   bool `json:"oneOrder"`   // all topics share one order
	Resets     bool `json:"resets"`     // a restart of what hubs need begins a generation, and subscribers are told
	Keys       bool `json:"keys"`       // a retry is stored once
	Ends       bool `json:"ends"`       // topics end
	Opaque     bool `json:"opaque"`     // positions of streams have no order: only the dump of hub 1 defines it
	EqualDumps bool `json:"equalDumps"` // all hubs have the same events at the end
	Mends      bool `json:"mends"`      // a hub whose data is damaged takes a copy of another hub's
	Trims      bool `json:"trims"`      // hubs remove the oldest events, and tell subscribers who lack them

	// Brief is for how long topics below [Brief] keep their events, and have ended; 0: for ever.
	Brief time.Duration `json:"brief,omitzero"`
}

// Brief begins the topics with a short retention.
const Brief = "brief/"

// Log writes a history. Its methods are safe for concurrent use.
type Log struct {
	began time.Time

	mu  sync.Mutex // guards the following fields
	out *bufio.Writer
	enc *json.Encoder
	err error
}

// NewLog returns a log whose time begins now.
func NewLog(w io.Writer) *Log {
	out := bufio.NewWriterSize(w, 1<<20)
	return &Log{began: time.Now(), out: out, enc: json.NewEncoder(out)}
}

// Now returns the time as entries have it.
func (l *Log) Now() int64 { return time.Since(l.began).Microseconds() }

// Add appends an entry. If At is 0, it is now.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.At == 0 {
		e.At = l.Now()
	}
	l.err = errors.Join(l.err, l.enc.Encode(&e))
}

// Flush returns the first error of writing, if there was one.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.err, l.out.Flush())
}

// Line is an entry of a file, with its number from 1.
type Line struct {
	N int
	Entry
}

// All yields the lines of a history. An error ends it.
func All(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 64<<20)
		n := 0
		for lines.Scan() {
			n++
			line := Line{N: n}
			if err := json.Unmarshal(lines.Bytes(), &line.Entry); err != nil {
				yield(line, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Line{N: n}, err)
		}
	}
}
