package presence

import "github.com/tidings-sse/tidings/internal/wire"

// Roster is a page of the members of a topic, in the order of their subjects.
type Roster struct {
	Count
	Members  []wire.Member
	More     bool // there are members after these
	Settling bool // members may be missing, because the hub has just started
}

// Roster returns the first members of a topic whose subjects are above after, at most limit.
func (t *Table) Roster(name, after string, limit int) Roster {
	t.mu.Lock()
	defer t.mu.Unlock()
	page := Roster{Members: []wire.Member{}, Settling: !t.settled}
	topic := t.topics[name]
	if topic == nil {
		return page
	}
	page.Count = topic.count()
	for m := range topic.members.after(after) {
		if len(page.Members) == limit {
			page.More = true
			break
		}
		page.Members = append(page.Members, m.wire())
	}
	return page
}

// Overview is a page of the topics at which there are streams or members, in the order of their names.
type Overview struct {
	Topics   []wire.PresenceCount
	More     bool
	Settling bool
}

// Topics returns the first topics that match and whose names are above after, at most limit. match must not call the table.
func (t *Table) Topics(after string, limit int, match func(topic string) bool) (page Overview) {
	page.Topics = []wire.PresenceCount{}
	for {
		more := false
		after, more = t.topicsAfter(&page, after, limit, match)
		if !more {
			return page
		}
	}
}

// topicsAfter adds topics to a page while it holds the lock, which is not for long. It reports whether it has to be called again.
func (t *Table) topicsAfter(page *Overview, after string, limit int, match func(string) bool) (next string, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	page.Settling = !t.settled
	steps := 0
	for topic := range t.names.after(after) {
		if steps++; steps > step {
			return after, true
		}
		n := topic.count()
		if after = topic.name; n == (Count{}) || !match(topic.name) {
			continue
		}
		if len(page.Topics) == limit {
			page.More = true
			return after, false
		}
		page.Topics = append(page.Topics, wire.PresenceCount{Topic: topic.name, Streams: n.Streams, Subjects: n.Subjects})
	}
	return after, false
}
