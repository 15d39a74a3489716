package fanout

import (
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Encoding gives events and control messages their form. All methods are called by several goroutines, must not block, and must return
// the same bytes for the same arguments: fan-out encodes an event once for all streams whose encodings have the same key. A method that
// panics ends the process, because most calls come from goroutines of fan-out.
type Encoding interface {
	// Key names the encoding. Streams with equal keys share bytes. A program has a handful of keys, not one for each stream.
	Key() string

	// Event appends an event to b. A record with the flag End says that its topics have ended, too. Appending nothing
	// hides the event.
	Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte

	// Control appends a control message to b. Appending nothing leaves the message out.
	Control(b []byte, c Control) []byte
}

// Control is a message about the stream itself.
type Control struct {
	Kind    ControlKind
	Now     time.Time
	At      eventlog.Position // everything up to here that matches was sent; not set for ControlExpiring, ControlHeartbeat and ControlNotice
	Retry   time.Duration     // when the client should reconnect after the stream's end; 0: no advice
	Gap     *Gap              // of ControlGap
	More    bool              // of the checkpoint that ends a poll because it has as many events as its limit; there may be more
	Expires time.Time         // of ControlExpiring: when the client's permission ends
	Notice  string            // of ControlNotice: its data
}

// ControlKind is the kind of a control message.
type ControlKind uint8

const (
	ControlOpened     ControlKind = iota // the stream begins at At; only a ControlGap may come before it
	ControlCheckpoint                    // the position has advanced to At although no event matched
	ControlGap                           // events are missing; it carries no position, so that a client that disconnects gets the gap again
	ControlExpiring                      // the client's permission ends soon, and the stream with it
	ControlLeaving                       // the stream ends; the client may reconnect
	ControlHeartbeat                     // nothing was sent for the interval of heartbeats
	ControlNotice                        // a board that the stream watches has changed
)

// Gap reports that events after From, up to and including To, may be missing.
type Gap struct {
	Reason eventlog.Reason
	From   string // as the client sent it, which may be no position
	To     eventlog.Position
}

// GapError is the error of a subscription with FailOnGap that would begin with a gap.
type GapError struct{ Gap }

func (e *GapError) Error() string {
	return "fanout: events after " + e.From + " are missing (" + string(e.Reason) + ")"
}
