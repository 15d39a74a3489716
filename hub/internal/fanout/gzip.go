package fanout

import (
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/blocks"
)

// A compressed stream is gzip whose parts package blocks makes. Every chunk of it is such a part:
//
//   - An event or a control message for one subscriber is stored. Its form is an encoding, so the code for cursors, rests and control messages
//     is the same for all streams.
//   - The events of a subscriber that catches up are compressed, some at a time (squeeze).
//   - The live members of a group share a compressor with a window (keyframe.go).
//
// The stream ends without the end of gzip, as if the connection had broken: clients reconnect, or know from its last event that it is complete.

// gzipped is the encoding of a compressed stream: every event and every control message in stored blocks.
type gzipped struct {
	Encoding
	key string
}

func newGzipped(e Encoding) gzipped { return gzipped{e, e.Key() + "+gzip"} }

func (g gzipped) Key() string { return g.key }

func (g gzipped) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	return blocks.AppendStored(b, g.Encoding.Event(nil, at, r))
}

func (g gzipped) Control(b []byte, c Control) []byte {
	return blocks.AppendStored(b, g.Encoding.Control(nil, c))
}

// pieceBytes is about how many bytes of events are compressed together for a subscriber that catches up. If its socket is full, it keeps the
// rest of a piece, about 2 KB.
const (
	pieceBytes = 8 << 10
	pieceLeast = 512 // bytes that are not worth it
)

// squeeze compresses the events among some chunks of a compressed stream. It returns fewer chunks.
func (g *group) squeeze(chunks []chunk) []chunk {
	if !g.gzip {
		return chunks
	}
	var text, made []byte
	out := chunks[:0]
	for len(chunks) > 0 {
		n, bytes := 0, 0
		for n < len(chunks) && !chunks[n].control && bytes < pieceBytes {
			bytes += len(chunks[n].text)
			n++
		}
		if bytes < pieceLeast {
			n = max(n, 1)
			out = append(out, chunks[:n]...)
			chunks = chunks[n:]
			continue
		}
		text, made = text[:0], made[:0]
		piece := chunk{at: chunks[n-1].at, more: -1}
		for _, c := range chunks[:n] {
			text = blocks.AppendContents(text, c.text)
			piece.end = piece.end || c.end
			piece.more++
		}
		if made = blocks.AppendAlone(made, text); len(made) < bytes {
			piece.text = string(made)
			out = append(out, piece)
		} else {
			out = append(out, chunks[:n]...)
		}
		chunks = chunks[n:]
	}
	return out
}
