package hub

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// Control events are about the stream. Their types begin with this, which nobody can publish, so that no onmessage sees them.
const controlPrefix = "tidings."

const (
	checkpointType = controlPrefix + "checkpoint" // an id and empty data: everything up to here that matches was sent
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

// appendControl appends a control event. Its id is a position the subscriber has reached, or empty.
func appendControl(b []byte, f form, typ, id string, data any, now time.Time) []byte {
	text := ""
	if data != nil {
		encoded, _ := json.Marshal(data) // of strings and numbers
		text = string(encoded)
	}
	if f != ndjson { // also in an envelope's stream: whoever listens for it knows what its data is
		return appendSSE(b, id, typ, text)
	}
	return appendEnvelope(b, f, &Envelope{ID: id, Type: typ, Time: now.UTC().Truncate(time.Millisecond), Data: text, Encoding: textEncoding})
}

// heartbeats are what keeps a connection awake and means nothing.
var heartbeats = [forms]string{plain: ":\n\n", envelope: ":\n\n", ndjson: "\n"}

// appendRetry appends how long the client is to wait before it comes back, where that can be said.
func appendRetry(b []byte, f form, wait time.Duration) []byte {
	if f == ndjson {
		return b
	}
	return sse.AppendRetry(b, wait)
}

// Of each connection the first delay is its own, so that not even the sudden end of a hub brings all clients back at once.
const (
	retryLeast = 2 * time.Second
	retryMost  = 5 * time.Second
)

func jitter(least, most time.Duration) time.Duration { return least + rand.N(most-least) }
