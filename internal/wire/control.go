package wire

import (
	"encoding/json"
	"strings"
	"time"
)

// ControlPrefix begins the type of every control event. A control event is about the stream. Publishers cannot use the prefix.
const ControlPrefix = "tidings."

// The types of control events.
const (
	TypeCheckpoint = ControlPrefix + "checkpoint" // data: {}, in NDJSON Checkpoint; everything up to its id that matches has been sent
	TypeGap        = ControlPrefix + "gap"        // data: Gap; no id
	TypeEnd        = ControlPrefix + "end"        // data: End; the id is the position of the end
	TypeExpiring   = ControlPrefix + "expiring"   // data: Expiring; the token ends soon, and the stream with it
	TypeRetry      = ControlPrefix + "retry"      // data: a problem document; the client reconnects later
	TypePresence   = ControlPrefix + "presence"   // data: Presence; no id; who is present at a topic that the stream watches
)

// Controls are the types of all control events.
func Controls() []string {
	return []string{TypeCheckpoint, TypeGap, TypeEnd, TypeExpiring, TypeRetry, TypePresence}
}

// IsControl reports whether an event of this type is a control event. Clients ignore control events that they do not know.
func IsControl(typ string) bool { return strings.HasPrefix(typ, ControlPrefix) }

// NoData is the data of a control event without content. Every block of a stream has data, because some clients dispatch an empty
// message for a block that has none; the data is JSON, so that a client can parse the data of every control event.
const NoData = "{}"

// Checkpoint is the data of a checkpoint in NDJSON. In an event stream, the reconnection time is a field of the block.
type Checkpoint struct {
	Retry int64 `json:"retry,omitempty"` // in milliseconds; 0: no advice
	More  bool  `json:"more,omitempty"`  // the poll has as many events as its limit, and there may be more
}

// Data returns the data of a checkpoint.
func (c Checkpoint) Data() string { return marshal(c) }

// The reasons of a gap.
const (
	ReasonTrimmed  = "trimmed"  // retention has removed the events
	ReasonReset    = "reset"    // the position belongs to another generation of the log, or is malformed
	ReasonRollback = "rollback" // a crash has lost the events
	ReasonCorrupt  = "corrupt"  // the events can no longer be read
	ReasonLag      = "lag"      // the subscriber was too slow, and the hub skipped events
)

// GapReasons are all reasons of a gap.
func GapReasons() []string {
	return []string{ReasonTrimmed, ReasonReset, ReasonRollback, ReasonCorrupt, ReasonLag}
}

// Gap is the data of a gap: events that match the subscription are missing.
type Gap struct {
	Reason string `json:"reason"`
	From   string `json:"from"` // the missing events come after this position
	To     string `json:"to"`   // the end of the range: no event after this position is missing
}

// Data returns the data of a gap event.
func (g Gap) Data() string { return marshal(g) }

// ParseGap reads the data of a gap event.
func ParseGap(data string) (g Gap, err error) {
	return g, json.Unmarshal([]byte(data), &g)
}

// End is the data of an end: the topics that have ended.
type End struct {
	Topic  string   `json:"topic"`  // the canonical topic of the event that ended them
	Topics []string `json:"topics"` // all of them, Topic first
}

// Data returns the data of an end event.
func (e End) Data() string { return marshal(e) }

// ParseEnd reads the data of an end event. Topics then has at least one topic.
func ParseEnd(data string) (e End, err error) {
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return e, err
	}
	if len(e.Topics) == 0 {
		e.Topics = []string{e.Topic}
	}
	return e, nil
}

// Expiring is the data of the event that warns of the end of a token.
type Expiring struct {
	Expires time.Time `json:"expires"`
}

// Data returns the data of the event.
func (e Expiring) Data() string { return marshal(e) }

// marshal returns a value as JSON that consists of strings and times in range, which cannot fail.
func marshal(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
