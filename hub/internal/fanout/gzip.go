package fanout

import (
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/blocks"
)

// A compressed stream is gzip whose parts package blocks makes. Every chunk of it is such a part:
//
//   - A control message is stored, as is a small event for one subscriber. A large event is compressed by itself. These forms are an encoding,
//     so the code for cursors, rests and control messages is the same for all streams.
//   - The small events of subscribers that catch up are compressed, some at a time (pieces.go).
//   - The live members of a group share a compressor with a window (keyframe.go).
//
// So subscribers share all bytes except those of their control messages, and a subscriber that does not read keeps no bytes of its own.
//
// The stream ends without the end of gzip, as if the connection had broken: clients reconnect, or know from its last event that it is complete.

// gzipped is the encoding of a compressed stream. Its events and control messages can be read after any others.
type gzipped struct {
	Encoding
	key string
}

func newGzipped(e Encoding) gzipped { return gzipped{e, e.Key() + "+gzip"} }

func (g gzipped) Key() string { return g.key }

func (g gzipped) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	text := g.Encoding.Event(nil, at, r)
	if isLarge(r) {
		return blocks.AppendShorter(b, text)
	}
	return blocks.AppendStored(b, text)
}

func (g gzipped) Control(b []byte, c Control) []byte {
	return blocks.AppendStored(b, g.Encoding.Control(nil, c))
}

// isLarge reports whether an event is compressed once for all subscribers, rather than once for each group. A shared history
// helps little here: a large event repeats itself more than it repeats earlier events.
func isLarge(r *eventlog.Record) bool { return r.Size() >= largeEvent }

const largeEvent = 16 << 10 // bytes
