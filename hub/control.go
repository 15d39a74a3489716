package hub

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// Control events are about the stream. Their types begin with this, which nobody can publish, so that no onmessage sees them.
const controlPrefix = "tidings."

const (
	checkpointType = controlPrefix + "checkpoint" // an id, and {} as data: everything up to here that matches was sent
	gapType        = controlPrefix + "gap"        // gapData: something that matches cannot be had any more
	endType        = controlPrefix + "end"        // endData: topics are complete
	retryType      = controlPrefix + "retry"      // a problem document: come back later
	expiringType   = controlPrefix + "expiring"   // the token ends soon, and the stream with it
)

// gapData is the data of a gap: what came after From, up to and with To, may be missing. From is as the client said it.
type gapData struct {
	Reason eventlog.Reason `json:"reason"`
	From   string          `json:"from"`
	To     string          `json:"to"`
}

// endData is the data of an end.
type endData struct {
	Topic  string   `json:"topic"`  // the canonical one
	Topics []string `json:"topics"` // all of them
}

// appendControl appends a control event, which is not empty: see appendSSE. Its ID is a position that the subscriber has
// reached, or "". Its Data is JSON; "" becomes {}, so that consumers can parse the data of every event.
// NDJSON has no reconnection time, and leaves Retry out.
func appendControl(b []byte, f form, e sse.Event, now time.Time) []byte {
	e.Data = cmp.Or(e.Data, "{}")
	if f != ndjson { // also in an envelope's stream: whoever listens for it knows what its data is
		return appendSSE(b, e)
	}
	return appendEnvelope(b, f, &Envelope{ID: e.ID, Type: e.Type, Time: now.UTC().Truncate(time.Millisecond), Data: e.Data, Encoding: textEncoding})
}

// controlData encodes the data of a control event: strings, numbers and times in range, which cannot fail.
func controlData(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// checkpointAt returns a checkpoint. It also tells the client how long to wait before it reconnects, unless retry is 0.
func checkpointAt(at eventlog.Position, retry time.Duration) sse.Event {
	return sse.Event{Type: checkpointType, ID: at.String(), Retry: retry}
}

// heartbeats keep a connection awake and mean nothing. In an event stream that is a comment without a blank line, at which
// some clients would dispatch an empty message. So it may be sent only between events, never inside one.
var heartbeats = [forms]string{plain: ":\n", envelope: ":\n", ndjson: "\n"}

// Of each connection the first delay is its own, so that not even the sudden end of a hub brings all clients back at once.
const (
	retryLeast = 2 * time.Second
	retryMost  = 5 * time.Second
)

func jitter(least, most time.Duration) time.Duration { return least + rand.N(most-least) }
