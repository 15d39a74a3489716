package fanout

import "github.com/tidings-sse/tidings/eventlog"

// The life of a subscriber, all of it in its shard's goroutine:
//
//	adopt ─▶ catching ─▶ join ─▶ live ─▶ close
//	            ▲          │       │
//	            └─ stalled ◀───────┘  its socket is full
//
// A runner is live from adopt to close.

// adopt takes a subscriber in. It looks once more whether its client was revoked: whoever is adopted later than a revocation is not found
// by the look that the revocation posts.
func (s *shard) adopt(sub *subscriber) {
	s.limitLife(sub)
	g := s.groups[sub.group.key]
	if g == nil {
		g = sub.group
		s.groups[g.key] = g
		s.interest.add(g)
	}
	g.members++
	sub.group = g
	sub.wrote = s.wheel.now
	sub.via.start()
	if sub.client.Revoked() {
		sub.via.leave(Revoked)
	}
}

// close ends a stream.
func (s *shard) close(sub *subscriber, why Reason) {
	if sub.stage == closed {
		return
	}
	s.wheel.clear(sub)
	g := sub.group
	if g.members--; g.members == 0 {
		delete(s.groups, g.key)
		s.interest.remove(g)
	}
	sub.via.release(why)
}

// catchAhead joins the subscribers that the shard has caught up with.
func (s *shard) catchAhead() {
	if len(s.ahead) == 0 {
		return
	}
	all := s.ahead
	s.ahead = nil
	for _, d := range all {
		if d.stage == ahead {
			d.join()
		}
	}
}

// hasEnough reports whether a position is behind everything that came before draining began. While publishers are faster than a subscriber
// reads, it would never be live.
func (s *shard) hasEnough(at eventlog.Position) bool {
	return at.Gen != s.until.Gen || at.Seq >= s.until.Seq
}
