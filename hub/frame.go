package hub

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// form is how events look to a subscriber.
type form uint8

const (
	plain    form = iota // an SSE event with the data
	envelope             // an SSE event whose data is JSON that has everything
	ndjson               // that JSON alone, a line for each event
	forms
)

// event is a record on its way out. What it looks like is made once for each form, and shared by all who get it.
type event struct {
	record *eventlog.Record
	gen    string
	frames [forms]atomic.Pointer[string]
}

// frame returns the bytes of an event: nothing in them differs between subscribers.
func (e *event) frame(f form) string {
	if made := e.frames[f].Load(); made != nil {
		return *made
	}
	made := string(e.appendTo(nil, f))
	e.frames[f].Store(&made) // whoever else has made it, has made the same
	return made
}

// piece returns the bytes of an event, with what a cursor has to know of them.
func (e *event) piece(f form) piece {
	return piece{text: e.frame(f), at: e.record.Seq, end: e.record.Flags&eventlog.End != 0}
}

func (e *event) id() eventlog.Position { return eventlog.Position{Gen: e.gen, Seq: e.record.Seq} }

// appendTo appends the event, and the end of its topics if it is one. An end without data and type is nothing else.
func (e *event) appendTo(b []byte, f form) []byte {
	r := e.record
	end := r.Flags&eventlog.End != 0
	if !end || r.Data != "" || r.Type != "" {
		b = e.appendEvent(b, f)
	}
	if end {
		b = appendControl(b, f, sse.Event{Type: endType, ID: e.id().String(), Data: controlData(endData{r.Topics[0], r.Topics})}, r.Time)
	}
	return b
}

func (e *event) appendEvent(b []byte, f form) []byte {
	r := e.record
	data, encoding := r.Data, textEncoding
	if r.Flags&eventlog.Binary != 0 || !utf8.ValidString(data) {
		data, encoding = base64.StdEncoding.EncodeToString([]byte(data)), binaryEncoding
	}
	if f == plain {
		return appendSSE(b, sse.Event{ID: e.id().String(), Type: r.Type, Data: data})
	}
	return appendEnvelope(b, f, &Envelope{
		ID: e.id().String(), Topic: r.Topics[0], Topics: r.Topics, Type: orMessage(r.Type), Time: r.Time, Data: data, Encoding: encoding,
	})
}

// Envelope is an event as JSON: what format=envelope has as data, and NDJSON in each line.
type Envelope struct {
	ID       string    `json:"id,omitempty"` // its position; a control event may have none
	Topic    string    `json:"topic,omitempty"`
	Topics   []string  `json:"topics,omitempty"` // all of them, Topic first
	Type     string    `json:"type"`             // never empty
	Time     time.Time `json:"time"`
	Data     string    `json:"data"`
	Encoding string    `json:"encoding"` // of Data: utf-8 or base64
}

const (
	textEncoding   = "utf-8"
	binaryEncoding = "base64"
)

func orMessage(typ string) string {
	if typ == "" {
		return sse.DefaultType
	}
	return typ
}

// appendSSE appends an event that was checked when it was published. What was published by others, in a log that is not ours
// alone, loses what cannot be sent.
//
// All that a hub sends in an event stream comes from here, besides heartbeats. So every block has data.
func appendSSE(b []byte, e sse.Event) []byte {
	b, err := e.AppendTo(b)
	if err != nil {
		e.Type = strings.Map(func(c rune) rune {
			if c == '\r' || c == '\n' || c == 0 {
				return -1
			}
			return c
		}, e.Type)
		b, _ = e.AppendTo(b)
	}
	return b
}

func appendEnvelope(b []byte, f form, e *Envelope) []byte {
	text, _ := json.Marshal(e) // of strings and a time that is in range
	if f == ndjson {
		return append(append(b, text...), '\n')
	}
	return appendSSE(b, sse.Event{ID: e.ID, Type: e.Type, Data: string(text)})
}
