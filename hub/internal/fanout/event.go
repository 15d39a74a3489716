package fanout

import (
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog"
)

// event is a record that is being delivered. It is encoded once for each encoding, and all subscribers share the bytes.
type event struct {
	record  *eventlog.Record
	gen     string
	encoded atomic.Pointer[encoded]
}

// encoded is the event in one encoding. Those of an event form a list, which is short: a hub has a handful of encodings.
type encoded struct {
	encoding string // its key
	text     string
	next     *encoded
}

func (e *event) position() eventlog.Position { return eventlog.Position{Gen: e.gen, Seq: e.record.Seq} }

// ends reports whether the event ends its topics.
func (e *event) ends() bool { return e.record.Flags&eventlog.End != 0 }

// encode returns the bytes of the event, which are the same for all subscribers.
func (e *event) encode(enc Encoding) string {
	key := enc.Key()
	known := e.encoded.Load()
	if f := known.find(key); f != nil {
		return f.text
	}
	made := &encoded{key, string(enc.Event(nil, e.position(), e.record)), known}
	for !e.encoded.CompareAndSwap(made.next, made) {
		if made.next = e.encoded.Load(); made.next.find(key) != nil {
			break // another goroutine has encoded the event
		}
	}
	return made.text
}

// find returns what a list has in an encoding, nil if that is nothing.
func (e *encoded) find(key string) *encoded {
	for e != nil && e.encoding != key {
		e = e.next
	}
	return e
}

// chunk returns the bytes of the event, with the fields that a cursor needs.
func (e *event) chunk(enc Encoding) chunk {
	return chunk{text: e.encode(enc), at: e.record.Seq, end: e.ends(), large: isLarge(e.record)}
}

// chunk is the smallest complete part of a stream: the bytes of an event or of a control message, or the unsent rest of them.
type chunk struct {
	text    string
	at      uint64 // a client with this chunk has everything up to this sequence number
	end     bool   // topics end with it
	control bool   // a control message, which a cursor makes only once
	aside   bool   // it does not restart the heartbeat interval, because it carries no position
	partial bool   // a part of it was sent, or is owed
	large   bool   // a large event, which no one compresses again: see gzipped
	more    int16  // number of events that it holds besides the first
}

// cut returns what is left of some chunks after n bytes of them were sent. owed says that the next byte cannot be taken back, although it counts as
// unsent: see sealed. rest is the rest of a chunk that has begun, with the control messages that follow it, because a cursor makes them only once.
// Everything up to the sequence number at was sent, or is in rest: at is from if no chunk was sent whole. dropped says that there are more chunks. They
// are not in rest, because a cursor makes them again.
func cut(chunks []chunk, n int, owed bool, from uint64) (rest chunk, at uint64, dropped bool) {
	at = from
	for i := range chunks {
		c := &chunks[i]
		switch {
		case rest.text != "" && c.control:
			rest.text += c.text
			rest.at = c.at
		case rest.text == "" && n >= len(c.text):
			n -= len(c.text)
		case rest.text == "" && (n > 0 || owed || c.partial || c.control):
			rest = *c
			rest.text, rest.partial = c.text[n:], true
		default:
			return rest, at, true
		}
		at = c.at
	}
	return rest, at, false
}

// eventsIn returns how many of some chunks are events.
func eventsIn(chunks []chunk) (events int) {
	for i := range chunks {
		if !chunks[i].control {
			events += 1 + int(chunks[i].more)
		}
	}
	return events
}

// eventsUpTo returns how many events n bytes of some chunks hold whole.
func eventsUpTo(chunks []chunk, n int) int {
	whole := 0
	for whole < len(chunks) && n >= len(chunks[whole].text) {
		n -= len(chunks[whole].text)
		whole++
	}
	return eventsIn(chunks[:whole])
}
