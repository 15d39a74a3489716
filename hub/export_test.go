package hub

import (
	"runtime"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// Subscribers returns how many streams are open.
func (h *Hub) Subscribers() (n int) {
	for _, s := range h.shards {
		n += int(s.members.Load())
	}
	return n
}

// Wanted returns how many wishes the index has.
func (h *Hub) Wanted() (n int) {
	for _, s := range h.shards {
		s.await(func() {
			if n += len(s.groups) + len(s.interest.topics); !s.interest.tree.Empty() {
				n++
			}
		})
	}
	return n
}

// Want enters somebody who wants a topic and a pattern, and has no connection.
func (h *Hub) Want(topic, pattern string) {
	g := newGroup(wanted{[]string{topic}, []eventlog.Pattern{eventlog.MustPattern(pattern)}}, plain)
	s := h.shard()
	c := &cursor{hub: h, group: g, sent: noID, query: eventlog.Query{Selector: g.selector, After: h.window.head()}}
	sub := &subscriber{shard: s, group: g, fd: -1, slot: -1, cursor: c, grant: new(access.Grant)}
	sub.runner = newRunner(sub, nowhere{}, nil)
	if err := h.enter(sub.from, sub.grant); err != nil {
		panic(err)
	}
	s.post(func() { s.adopt(sub) })
}

// nowhere is the socket of nobody.
type nowhere struct{}

func (nowhere) write([]byte) error { return nil }
func (nowhere) abort()             {}
func (nowhere) close()             {}

// AwaitSettled waits until everybody has been woken who wants an event up to a position.
func (h *Hub) AwaitSettled(at eventlog.Position) {
	for _, s := range h.shards {
		for settled := false; !settled; {
			var rest time.Duration
			s.await(func() { settled, rest = s.at.Seq >= at.Seq, time.Until(s.rest.until) })
			if rest > 0 && !settled {
				time.Sleep(rest) // which ends exactly then
			} else {
				runtime.Gosched()
			}
		}
	}
}

// Closed returns how many streams have ended for a reason.
func (h *Hub) Closed(why string) uint64 {
	for r := range reasons {
		if r.String() == why {
			return h.count.closed[r].Load()
		}
	}
	return 0
}

// Revoke takes something back, and Revoked reports whether a grant was.
func (h *Hub) Revoke(one access.Revocation) error {
	_, err := h.revocations.add(one)
	return err
}

func (h *Hub) Revoked(g access.Grant) bool {
	_, yes := h.revocations.Revoked(g)
	return yes
}

// Revocations returns those that are in force.
func (h *Hub) Revocations() []access.Revocation { return h.revocations.All() }

// KeepRevocations writes them anew if that is due.
func (h *Hub) KeepRevocations() error {
	h.awaitTail()
	if !h.revocations.fading() {
		return nil
	}
	err := h.revocations.snapshot()
	h.awaitTail()
	return err
}

func (h *Hub) awaitTail() {
	for h.window.head().Seq < h.log.Head().Seq {
		runtime.Gosched()
	}
}

// Routes returns the methods of each path.
func Routes() map[string][]string {
	all := map[string][]string{}
	for _, r := range routes {
		all[r.path] = slices.Clone(r.methods)
	}
	return all
}

// At returns up to where all shards have delivered.
func (h *Hub) At() (at eventlog.Position) {
	for i, s := range h.shards {
		if s.await(func() {}); i == 0 || s.at.Seq < at.Seq { // or the shard has ended
			at = s.at
		}
	}
	return at
}
