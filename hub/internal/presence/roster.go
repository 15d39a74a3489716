package presence

import (
	"context"
	"strings"

	"github.com/tidings-sse/tidings/internal/wire"
)

// Roster is a page of the members of a topic, in the order of their subjects.
type Roster struct {
	Count
	Members  []wire.Member
	More     bool // there are members after these
	Settling bool // members may be missing, because the hub has just begun to serve
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
	Next     string // if not empty: there may be topics after this one
	Settling bool
}

// Search selects topics.
type Search struct {
	After string // only topics with names above this one
	Limit int    // of the topics in a page

	// Prefixes are texts with one of which each topic begins. They are in order, and none begins with another. Other topics are not visited.
	Prefixes []string

	// Visible reports whether the name of a topic may be told, and Match whether the topic belongs to the page. They must not call the table.
	Visible, Match func(topic string) bool
}

// mostVisits is the number of topics after which a page ends, though it is not full.
const mostVisits = 10 * step

// Topics returns a page of topics. It may have fewer topics than the limit, even none, when there are more: Next says so. The error is that of
// ctx.
func (t *Table) Topics(ctx context.Context, q Search) (page Overview, err error) {
	page.Topics = []wire.PresenceCount{}
	visits := 0
	for _, prefix := range q.Prefixes {
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return page, err
			}
			if more = t.topicsAfter(&page, &q, prefix, &visits); page.Next != "" {
				return page, nil
			}
		}
	}
	return page, nil
}

// topicsAfter adds topics with a prefix to a page while it holds the lock, which is not for long. It reports whether there may be more with
// this prefix. It moves q.After.
func (t *Table) topicsAfter(page *Overview, q *Search, prefix string, visits *int) (more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	page.Settling = !t.settled
	steps := 0
	for topic := range t.names.from(prefix, q.After) {
		if !strings.HasPrefix(topic.name, prefix) {
			return false
		}
		q.After = topic.name
		*visits++
		n := topic.count()
		visible := q.Visible(topic.name)
		switch {
		case n == (Count{}) || !visible || !q.Match(topic.name):
		case len(page.Topics) == q.Limit:
			page.Next = page.Topics[q.Limit-1].Topic
			return false
		default:
			page.Topics = append(page.Topics, wire.PresenceCount{Topic: topic.name, Streams: n.Streams, Subjects: n.Subjects})
		}
		if *visits >= mostVisits && visible { // the name of another topic must not be told
			page.Next = topic.name
			return false
		}
		if steps++; steps == step {
			return true
		}
	}
	return false
}
