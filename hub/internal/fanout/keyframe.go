package fanout

import (
	"slices"

	"github.com/tidings-sse/tidings/hub/internal/blocks"
)

// The live members of a compressed group share a compressor with a history. All of them get the same bytes, which refer to the bytes before, so a
// member must have had exactly those. A *key frame* is a compressed part without references to earlier bytes. A member is in step if it has had everything
// since the last one. All others get the same events in stored blocks until the next key frame, which puts every member in step.
//
// A member falls out of step when it gets bytes of its own, such as a heartbeat, or when its socket is full. There are no key frames as long as
// all members are in step.

const (
	fewestSharing = 8  // live members with which a group compresses. Compressing an event takes about as long as sending it to one
	longestStep   = 50 // events after which a member that is out of step gets a key frame

	historyBytes    = 8 << 10 // of a group; twice as many save 1 %
	compressorsMost = 4       // of a shard, about 700 KB each
)

// coder compresses the events of a group. The group's shard owns it.
type coder struct {
	history []byte // the newest bytes since the last key frame, to which later ones may refer
	since   int    // events since the last key frame; 0: the next part is one
	owed    int    // events that members out of step got in stored blocks since then
}

// forget makes the next part a key frame. A group that is silent needs no history until then.
func (c *coder) forget() {
	c.history, c.since = nil, 0
}

// due reports whether the next part is a key frame. A key frame costs each member about what an event costs without compression. So members
// out of step cause one when they have cost as much, and do not wait longer than longestStep.
func (c *coder) due(members int) bool {
	return c.since == 0 || c.owed >= members || c.owed > 0 && c.since >= longestStep
}

// part is some events of a pass that were compressed together, or a large event.
type part struct {
	size int // in shard.packed
	chunk
}

var noEvents = part{chunk: chunk{more: -1}}

// compress returns the bytes of a group's events for the members in step. They equal others if the group does not compress, or if compression
// saves nothing.
func (s *shard) compress(g *group, others []byte) []byte {
	s.packed, s.parts = s.packed[:0], s.parts[:0]
	if len(g.live) < fewestSharing {
		if g.coder != nil {
			g.coder = nil
			g.setInStep(false)
		}
		return others
	}
	if len(others) == 0 {
		return others
	}
	if g.coder == nil {
		g.coder = new(coder)
	}
	c := g.coder
	if len(g.events) == 1 && isLarge(g.events[0].record) {
		c.forget()
		return others
	}
	if c.due(len(g.live)) {
		c.history, c.since, c.owed = c.history[:0], 0, 0
		g.setInStep(true)
	}
	next := noEvents
	for _, e := range g.events {
		made := e.chunk(g.encoding)
		if made.large {
			next = s.pack(c, next)
			s.packed = append(s.packed, made.text...)
			s.parts = append(s.parts, part{len(made.text), made})
			c.forget() // a key frame costs little beside such an event
			continue
		}
		s.plain = blocks.AppendContents(s.plain, made.text)
		next.at, next.end, next.more = made.at, next.end || made.end, next.more+1
		if len(s.plain) >= pieceBytes {
			next = s.pack(c, next)
		}
	}
	s.pack(c, next)
	if len(s.packed) >= len(others) {
		s.parts = s.parts[:0]
		return others // the decoder makes the same of it
	}
	return s.packed
}

// pack compresses the events whose bytes are in plain, if there are any. It returns the next part, which has no events yet.
func (s *shard) pack(c *coder, p part) part {
	if len(s.plain) > 0 {
		p.size = -len(s.packed)
		s.packed = s.compressors.of(c).Append(s.packed, s.plain)
		p.size += len(s.packed)
		c.remember(s.plain)
		c.since += int(p.more) + 1
		s.plain = s.plain[:0]
	}
	if p.more >= 0 { // perhaps the encoding hides all of them
		s.parts = append(s.parts, p)
	}
	return noEvents
}

// appendForm appends the chunks of a group's events, for a member in step or for the others.
func (s *shard) appendForm(chunks []chunk, g *group, inStep bool) []chunk {
	if inStep && len(s.parts) > 0 {
		packed := s.packed
		for i := range s.parts {
			p := &s.parts[i]
			if p.text == "" { // the members that stall in this pass share it
				p.text = string(packed[:p.size])
			}
			chunks, packed = append(chunks, p.chunk), packed[p.size:]
		}
		return chunks
	}
	for _, e := range g.events {
		chunks = append(chunks, e.chunk(g.encoding))
	}
	return chunks
}

// remember adds to the history what the members in step get.
func (c *coder) remember(text []byte) {
	text = text[max(0, len(text)-historyBytes):]
	if c.history == nil {
		c.history = make([]byte, 0, historyBytes)
	}
	if over := len(c.history) + len(text) - historyBytes; over > 0 {
		c.history = c.history[:copy(c.history, c.history[over:])]
	}
	c.history = append(c.history, text...)
}

func (g *group) setInStep(inStep bool) {
	for i := range g.live {
		g.live[i].inStep = inStep
	}
}

// compressors are the compressors of a shard. Groups take turns: a compressor continues with the group that has used it last, or begins with the
// history of another one.
type compressors []lent // the one used last comes first

type lent struct {
	compressor *blocks.Compressor
	to         *coder
}

// of returns the compressor that continues the stream of a coder.
func (all *compressors) of(c *coder) *blocks.Compressor {
	i := slices.IndexFunc(*all, func(l lent) bool { return l.to == c })
	if i < 0 || c.since == 0 {
		if i < 0 && len(*all) < compressorsMost {
			*all = append(*all, lent{compressor: blocks.NewCompressor()})
		}
		if i < 0 {
			i = len(*all) - 1
		}
		(*all)[i].compressor.Begin(c.history)
	}
	found := lent{(*all)[i].compressor, c}
	copy((*all)[1:], (*all)[:i])
	(*all)[0] = found
	return found.compressor
}
