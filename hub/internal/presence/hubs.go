package presence

import (
	"github.com/tidings-sse/tidings/internal/wire"
)

// The hubs of a cluster tell each other of their members, over a channel that may lose messages. Each hub decides alone about its own members
// and their grace; a subject is present if it is present at any hub. So a merge is a union. Each hub says with a member when its last stream was
// opened. Of the hubs at which a subject is present, the data of the last one counts.
//
// A hub numbers its messages. One that has missed a message of another hub asks it for its whole state, which comes in parts between its
// changes. After the last part, members that were in none of them are dropped.

// Part is a message of a hub about its own members: changes, a part of its whole state, or a request.
type Part struct {
	Hub      string      `json:"hub"`      // name
	Instance string      `json:"instance"` // of its process
	Number   uint64      `json:"number"`   // rises by one with each message of the process, except requests
	First    bool        `json:"first,omitempty"`
	Last     bool        `json:"last,omitempty"` // First and Last: of the whole state
	More     bool        `json:"more,omitempty"` // the hub has more changes to tell
	Topics   []PartTopic `json:"topics,omitempty"`

	Want string `json:"want,omitempty"` // not empty: the hub with this instance shall send its whole state
}

// PartTopic is a topic in a [Part].
type PartTopic struct {
	Topic   string       `json:"topic"`
	Streams int          `json:"streams"` // at the hub
	In      []PartMember `json:"in,omitempty"`
	Out     []string     `json:"out,omitempty"`
}

// PartMember is a member in a [Part], with the data of the stream that was opened last at the hub.
type PartMember struct {
	wire.Member
	Opened int64 `json:"opened,omitempty"` // when that was, in microseconds since 1970
}

// MaxPart is about the size of the largest [Part] in bytes of JSON. A topic and a member with escapes need up to 10 KiB.
const MaxPart = 12 << 10

// sharing is what a table tells other hubs.
type sharing struct {
	unsent []*Topic // topics that have changed at this hub
	number uint64   // of the last message

	wanted  bool   // another hub asks for the whole state
	passing bool   // the whole state is being sent
	topic   string // the last topic of which something was sent,
	subject string // and the last subject; empty after all of them
	whole   bool   // all of topic was sent
}

// share notes a change of a topic at this hub; subject is empty if only the number of streams has changed.
func (t *Topic) share(subject string) {
	if !t.table.opts.Shared {
		return
	}
	if t.unsent == nil {
		t.unsent = make(map[string]struct{})
		t.table.sharing.unsent = append(t.table.sharing.unsent, t)
	}
	if subject != "" {
		t.unsent[subject] = struct{}{}
	}
}

// Number returns the number of the last message to other hubs.
func (t *Table) Number() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sharing.number
}

// NextPart returns the next message to other hubs, which the caller sends before it calls again. ok is false if there is nothing to tell.
func (t *Table) NextPart() (p Part, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.sharing
	switch {
	case len(s.unsent) > 0:
		t.changesPart(&p)
	case s.passing || s.wanted:
		t.wholePart(&p)
	default:
		return p, false
	}
	s.number++
	p.Number, p.More = s.number, len(s.unsent) > 0
	return p, true
}

// sizeOf returns the size of a value in JSON.
func sizeOf(v any) int {
	text, err := wire.JSON(v)
	if err != nil { // data that is not JSON; Join does not get any
		return MaxPart
	}
	return len(text) + 1
}

// part returns what this hub says of a member that is here.
func (m *member) part() PartMember {
	return PartMember{m.own.wire(m.subject), m.own.opened}
}

// changesPart takes changes.
func (t *Table) changesPart(p *Part) {
	s := &t.sharing
	for size := 0; len(s.unsent) > 0 && size < MaxPart; {
		topic := s.unsent[0]
		one := PartTopic{Topic: topic.name, Streams: topic.streams}
		size += sizeOf(&one)
		for subject := range topic.unsent {
			if m := topic.members.get(subject); m != nil && m.here {
				member := m.part()
				size += sizeOf(&member)
				one.In = append(one.In, member)
			} else {
				size += sizeOf(subject)
				one.Out = append(one.Out, subject)
			}
			if delete(topic.unsent, subject); size >= MaxPart/2 && len(topic.unsent) > 0 {
				p.Topics = append(p.Topics, one)
				return // the next part has the rest
			}
		}
		p.Topics = append(p.Topics, one)
		topic.unsent = nil
		if s.unsent = s.unsent[1:]; len(s.unsent) == 0 {
			s.unsent = nil
		}
		if size >= MaxPart/2 {
			return
		}
	}
}

// wholePart takes a part of the whole state.
func (t *Table) wholePart(p *Part) {
	s := &t.sharing
	if !s.passing {
		s.passing, s.wanted = true, false
		s.topic, s.subject, s.whole = "", "", true
		p.First = true
	}
	size, steps := 0, 0
	for size < MaxPart/2 && steps < step {
		topic := t.topics[s.topic]
		if s.whole || topic == nil {
			if topic = t.topicAfter(s.topic); topic == nil {
				p.Last, s.passing = true, false
				return
			}
			s.topic, s.subject, s.whole = topic.name, "", false
		}
		one := PartTopic{Topic: topic.name, Streams: topic.streams}
		topicSize := sizeOf(&one)
		s.whole = true
		for m := range topic.members.after(s.subject) {
			if s.subject = m.subject; m.here {
				member := m.part()
				topicSize += sizeOf(&member)
				one.In = append(one.In, member)
			}
			if steps++; steps >= step || size+topicSize >= MaxPart/2 {
				s.whole = false
				break
			}
		}
		if steps++; one.Streams > 0 || len(one.In) > 0 {
			size += topicSize
			p.Topics = append(p.Topics, one)
		}
	}
}

// topicAfter returns the first topic whose name is above another, nil if there is none.
func (t *Table) topicAfter(name string) *Topic {
	for topic := range t.names.after(name) {
		return topic
	}
	return nil
}
