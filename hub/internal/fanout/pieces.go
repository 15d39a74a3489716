package fanout

import (
	"math"
	"slices"
	"sync"

	"github.com/tidings-sse/tidings/hub/internal/blocks"
	"github.com/tidings-sse/tidings/internal/queue"
)

// Subscribers that catch up get their events in pieces: some events that are compressed together, without a window. After a restart thousands
// of clients come back from about the same position. So the newest pieces are kept, for all subscribers of the same topics and format.
//
// Subscribers that begin at different events soon have the same pieces, because most pieces end at certain events, whatever their beginning.

const (
	pieceBytes = 8 << 10 // about how many bytes of events a piece has at most
	pieceLeast = 512     // fewer are not worth it
	piecesKept = 4 << 20 // about how many bytes the kept pieces take at most
	pieceCosts = 300     // about how many bytes a piece takes besides its text, its name and its list
)

// pieces are the kept pieces of a hub.
type pieces struct {
	mu    sync.Mutex // guards the following
	kept  map[pieceName]*piece
	order queue.Queue[pieceName] // of kept, the oldest first
	bytes int
}

// pieceName names the events of a piece, except that the log may leave out superseded events.
type pieceName struct {
	group string // its key
	gen   string
	first uint64
	last  uint64
}

// piece is some events that were compressed together.
type piece struct {
	chunk
	events []uint64 // their sequence numbers
}

func newPieces() *pieces { return &pieces{kept: make(map[pieceName]*piece)} }

// squeeze compresses the small events among the chunks that come next. It returns fewer chunks.
func (c *cursor) squeeze(chunks []chunk) []chunk {
	if !c.group.gzip {
		return chunks
	}
	out, _ := c.squeezeInto(chunks, math.MaxInt)
	return out
}

// fit is squeeze for a subscriber with some room. It leaves out the chunks after those that fill the room, and moves the cursor back before them, so
// that nothing is compressed or joined in vain.
func (c *cursor) fit(chunks []chunk, now outcome, room int) ([]chunk, outcome) {
	if room == math.MaxInt {
		return c.squeeze(chunks), now
	}
	out, left := c.squeezeInto(chunks, room)
	if left > 0 {
		c.back(out[len(out)-1].at)
		now = more
	}
	return out, now
}

// squeezeInto returns the first chunks, which have about as many bytes as there is room for, and how many chunks are left. It compresses them if the
// group is compressed.
func (c *cursor) squeezeInto(chunks []chunk, room int) (out []chunk, left int) {
	out = chunks[:0]
	for len(chunks) > 0 && room > 0 {
		n, bytes := 1, 0
		if c.group.gzip {
			n, bytes = nextPiece(chunks)
			n = max(n, 1)
		}
		made := chunks[:n]
		if bytes >= pieceLeast {
			if p := c.f.pieces.get(c.group.key, c.query.After.Gen, made); len(p.text) < bytes {
				made[0] = p
				made = made[:1]
			}
		}
		for i := range made {
			room -= len(made[i].text)
		}
		out, chunks = append(out, made...), chunks[n:]
	}
	return out, len(chunks)
}

// pageFor returns about how many bytes of events to read for a subscriber with some room. A compressed group needs more, because its events become smaller,
// and at least two pieces, so that the first one ends at the same event for every subscriber.
func (c *cursor) pageFor(room int) int {
	if c.group.gzip && room < pageBytes {
		room = max(2*pieceBytes, 16*room)
	}
	return min(room, pageBytes)
}

// nextPiece returns how many of some chunks make the next piece, and how many bytes they have.
func nextPiece(chunks []chunk) (n, bytes int) {
	for _, c := range chunks {
		if c.control || c.large || bytes >= pieceBytes {
			break
		}
		bytes += len(c.text)
		if n++; bytes >= pieceBytes/2 && isBorder(c.at) {
			break
		}
	}
	return n, bytes
}

// isBorder reports whether a piece ends with an event if it is large enough. An eighth of the events are borders, at irregular distances.
func isBorder(seq uint64) bool { return seq*0x9e3779b97f4a7c15>>61 == 0 }

// get returns the piece of some events.
func (all *pieces) get(group, gen string, events []chunk) chunk {
	name := pieceName{group, gen, events[0].at, events[len(events)-1].at}
	if known := all.find(name); known != nil && known.has(events) {
		return known.chunk
	}
	return all.keep(name, newPiece(events)).chunk
}

func newPiece(events []chunk) *piece {
	p := &piece{chunk: chunk{at: events[len(events)-1].at, more: int16(len(events) - 1)}}
	var text []byte
	for _, e := range events {
		text = blocks.AppendContents(text, e.text)
		p.end = p.end || e.end
		p.events = append(p.events, e.at)
	}
	p.text = string(blocks.AppendShorter(nil, text))
	return p
}

// has reports whether a piece has exactly these events.
func (p *piece) has(events []chunk) bool {
	return slices.EqualFunc(p.events, events, func(at uint64, e chunk) bool { return at == e.at })
}

func (p *piece) size(name pieceName) int {
	return len(p.text) + len(name.group) + 8*len(p.events) + pieceCosts
}

func (all *pieces) find(name pieceName) *piece {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.kept[name]
}

// keep keeps a piece, unless there is one with its name, and drops the oldest ones. It returns the piece to use.
func (all *pieces) keep(name pieceName, made *piece) *piece {
	all.mu.Lock()
	defer all.mu.Unlock()
	switch known := all.kept[name]; {
	case known == nil:
		all.order.Push(name)
	case slices.Equal(known.events, made.events):
		return known // another goroutine has made it meanwhile
	default:
		all.bytes -= known.size(name)
	}
	all.kept[name] = made
	for all.bytes += made.size(name); all.bytes > piecesKept; {
		oldest := all.order.Pop()
		all.bytes -= all.kept[oldest].size(oldest)
		delete(all.kept, oldest)
	}
	return made
}
