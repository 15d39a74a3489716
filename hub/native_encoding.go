package hub

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// nativeEncoding is a format of the native dialect. Package internal/wire defines its parts.
type nativeEncoding struct {
	key       string
	enveloped bool // events are envelopes
	lines     bool // NDJSON
}

var (
	plainEncoding    = &nativeEncoding{key: "sse"}
	envelopeEncoding = &nativeEncoding{key: "envelope", enveloped: true}
	ndjsonEncoding   = &nativeEncoding{key: "ndjson", enveloped: true, lines: true}
)

func (n *nativeEncoding) Key() string { return n.key }

// Header implements [Encoding].
func (n *nativeEncoding) Header(h http.Header) {
	h.Set("Content-Type", wire.MediaSSE)
	if n.lines {
		h.Set("Content-Type", wire.MediaNDJSON)
	}
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // for nginx and proxies like it, which buffer otherwise
}

// Event implements [Encoding]. A record that only ends its topics, without data and type, becomes only the control event.
func (n *nativeEncoding) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	end := r.Flags&eventlog.End != 0
	if !end || r.Data != "" || r.Type != "" {
		b = n.appendEvent(b, at.String(), r)
	}
	if end {
		b = n.appendControl(b, sse.Event{Type: wire.TypeEnd, ID: at.String(), Data: wire.End{Topic: r.Topics[0], Topics: r.Topics}.Data()}, r.Time)
	}
	return b
}

func (n *nativeEncoding) appendEvent(b []byte, id string, r *eventlog.Record) []byte {
	data, encoding := wire.Encode(r.Data, r.Flags&eventlog.Binary != 0)
	if !n.enveloped {
		return appendSSE(b, sse.Event{ID: id, Type: r.Type, Data: data})
	}
	return n.appendEnvelope(b, &wire.Envelope{
		ID: id, Topic: r.Topics[0], Topics: r.Topics, Type: cmp.Or(r.Type, wire.DefaultType), Time: r.Time, Data: data, Encoding: encoding,
	})
}

func (n *nativeEncoding) appendEnvelope(b []byte, e *wire.Envelope) []byte {
	if n.lines {
		return append(e.Append(b), '\n')
	}
	return appendSSE(b, sse.Event{ID: e.ID, Type: e.Type, Data: string(e.Append(nil))})
}

// Control implements [Encoding].
func (n *nativeEncoding) Control(b []byte, c Control) []byte {
	e := sse.Event{Retry: c.Retry}
	switch c.Kind {
	case ControlOpened, ControlCheckpoint, ControlLeaving:
		if e.Type, e.ID = wire.TypeCheckpoint, c.At.String(); c.More {
			e.Data = wire.Checkpoint{More: true}.Data()
		}
	case ControlGap:
		e.Type, e.Data = wire.TypeGap, wire.Gap{Reason: string(c.Gap.Reason), From: access.HideTokens(c.Gap.From), To: c.Gap.To.String()}.Data()
	case ControlExpiring:
		e.Type, e.Data = wire.TypeExpiring, wire.Expiring{Expires: c.Expires.UTC().Truncate(time.Second)}.Data()
	case ControlNotice:
		e.Type, e.Data = wire.TypePresence, c.Notice
	case ControlHeartbeat:
		return append(b, n.heartbeat()...)
	default:
		return b
	}
	return n.appendControl(b, e, c.Now)
}

// heartbeat returns an empty comment for an event stream, an empty line for NDJSON. The comment has no blank line, at which some clients
// would dispatch an empty message.
func (n *nativeEncoding) heartbeat() string {
	if n.lines {
		return "\n"
	}
	return ":\n"
}

// appendControl appends a control event. Its ID is a position that the subscriber has reached, or empty. Its data is JSON; empty data
// becomes [wire.NoData]. In an event stream, control events are never enveloped, so that clients find the same data in all formats. NDJSON
// has no field for the reconnection time: there it is the data of a control event that has no other.
func (n *nativeEncoding) appendControl(b []byte, e sse.Event, now time.Time) []byte {
	if !n.lines {
		e.Data = cmp.Or(e.Data, wire.NoData)
		return appendSSE(b, e)
	}
	e.Data = cmp.Or(e.Data, wire.Checkpoint{Retry: e.Retry.Milliseconds()}.Data())
	return n.appendEnvelope(b, &wire.Envelope{ID: e.ID, Type: e.Type, Time: now.UTC().Truncate(time.Millisecond), Data: e.Data, Encoding: wire.UTF8})
}

// appendSSE appends a block of an event stream. Events are checked when they are published; if another program wrote the record to a shared
// log, characters that cannot be sent are removed from its type.
//
// All blocks of the native dialect come from here. Heartbeats are not blocks. So every block has data.
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
