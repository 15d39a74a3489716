package ordertest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// History has the requests of the clients of a cluster and what they received, in any order. It is written as lines of JSON, one for
// each Line.
type History []Line

// Line is one event of a run. The fields of its Kind are set.
type Line struct {
	Kind   Kind          `json:"kind"`
	Client string        `json:"client,omitempty"` // name of the publisher or subscriber
	Hub    string        `json:"hub,omitempty"`
	Start  time.Duration `json:"start"`         // since the history began; for Publish when the request began, otherwise when it happened
	End    time.Duration `json:"end,omitempty"` // Publish: when the answer came; 0: never

	// Publish.
	Sent    []Sent   `json:"sent,omitempty"`    // the events of the request, which are stored together or not at all
	Outcome Outcome  `json:"outcome,omitempty"` // of the answer
	IDs     []string `json:"ids,omitempty"`     // Stored: the position of each event of Sent
	Again   []bool   `json:"again,omitempty"`   // Stored: whether the event was a duplicate; nil: none was

	// Open: what the subscriber subscribes to, as names and patterns; the same in all connections of a Client. Nil: everything.
	Topics []string `json:"topics,omitempty"`

	// Open: the position that the subscriber sends, empty for "from now on". Event, Checkpoint, End, Begin and Record: the position.
	// Gap: the position up to which events are missing.
	ID string `json:"id,omitempty"`

	Event  *Sent  `json:"event,omitempty"`  // Event, Record: the event itself
	Reason string `json:"reason,omitempty"` // Gap: its reason. Fault: its description

	// Begin: a generation that begins, and the one before.
	Gen  string `json:"gen,omitempty"`
	Prev string `json:"prev,omitempty"`

	// Lost: the records above this sequence number were lost, and others may have got their numbers since.
	After uint64 `json:"after,omitempty"`

	// Dump: the number up to which the hub reports a gap to its readers, and the digest of its decisions.
	Lacks  uint64 `json:"lacks,omitempty"`
	Digest string `json:"digest,omitempty"`

	Time time.Time `json:"time,omitzero"` // Record: the time of the record
}

// Kind is the kind of a [Line].
type Kind string

// Kinds of lines.
const (
	Publish    Kind = "publish"    // a request to publish, and its answer
	Open       Kind = "open"       // a subscriber's connection was accepted
	Event      Kind = "event"      // it received an event
	Checkpoint Kind = "checkpoint" // it received a checkpoint at a position
	Gap        Kind = "gap"        // it received a gap
	End        Kind = "end"        // it received the end of a topic
	Retry      Kind = "retry"      // it received a delay after which to reconnect
	Close      Kind = "close"      // its connection ended
	Begin      Kind = "begin"      // a generation began, which is the last one at the end or came before it
	Lost       Kind = "lost"       // the order has lost records that had been stored
	Dump       Kind = "dump"       // a hub at the end; its records follow as Record lines with its name
	Record     Kind = "record"     // a record of a hub at the end
	Fault      Kind = "fault"      // a fault began or ended
)

// Outcome is the outcome of a request, as far as its publisher knows it.
type Outcome string

// Outcomes of requests.
const (
	Stored  Outcome = "stored"  // every event is stored, now or before as a duplicate
	Ended   Outcome = "ended"   // refused, nothing stored: a topic has ended
	Reused  Outcome = "reused"  // refused, nothing stored: a key belongs to another event
	Refused Outcome = "refused" // refused for another reason, nothing stored
	Unknown Outcome = "unknown" // no answer, or one without the outcome
)

// Sent is an event as its publisher sends it, or a subscriber sees it.
type Sent struct {
	Topics []string `json:"topics"`
	Data   string   `json:"data"`          // unique for each event that is published, except for repetitions with the same Key
	Key    string   `json:"key,omitempty"` // idempotency key
	End    bool     `json:"end,omitempty"` // it ends its topics
}

// Recorder collects a history. Its methods are safe for concurrent use.
type Recorder struct {
	begin time.Time

	mu    sync.Mutex
	lines History
}

// NewRecorder returns a recorder whose history begins now.
func NewRecorder() *Recorder { return &Recorder{begin: time.Now()} }

// Now returns the time since the history began.
func (r *Recorder) Now() time.Duration { return time.Since(r.begin) }

// Add adds a line. If its Start is 0, it gets the current time.
func (r *Recorder) Add(l Line) {
	if l.Start == 0 {
		l.Start = r.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
}

// History returns what was recorded so far.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[:len(r.lines):len(r.lines)]
}

// WriteTo writes the history as lines of JSON.
func (h History) WriteTo(w io.Writer) (int64, error) {
	b := bufio.NewWriter(w)
	n := int64(0)
	for i := range h {
		line, err := json.Marshal(&h[i])
		if err != nil {
			return n, err
		}
		m, err := b.Write(append(line, '\n'))
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, b.Flush()
}

// ReadHistory reads what WriteTo has written. Files of several processes can be joined, if their times begin together.
func ReadHistory(r io.Reader) (History, error) {
	var h History
	for d := json.NewDecoder(r); ; {
		var l Line
		switch err := d.Decode(&l); {
		case err == nil:
			h = append(h, l)
		case errors.Is(err, io.EOF):
			return h, nil
		default:
			return nil, fmt.Errorf("ordertest: line %d of the history: %w", len(h)+1, err)
		}
	}
}
