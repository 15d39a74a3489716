package fanout

import "github.com/tidings-sse/tidings/eventlog"

// The life of a subscriber, all of it in its shard's goroutine:
//
//	adopt ─▶ catching ─▶ join ─▶ live ─▶ close
//	            ▲          │       │
//	            └─ stalled ◀───────┘  its socket is full
//
// A runner is live from adopt to close.

// adopt adds a subscriber to the shard. It checks again whether the client was revoked, and whether streams are refused, because EndRevoked
// and refuse do not find a subscriber that is adopted after their search.
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
	s.watchBoards(sub)
	if sub.stage != closed && s.f.refusing.err() != nil {
		sub.via.leave(Failed)
	}
}

// close ends a stream.
func (s *shard) close(sub *subscriber, why Reason) {
	if sub.stage == closed {
		return
	}
	s.wheel.clear(sub)
	s.unwatchBoards(sub)
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

// hasEnough reports whether a position has passed all events from before the drain. It ends a draining subscriber that would never become
// live, because publishers are faster than it reads.
func (s *shard) hasEnough(at eventlog.Position) bool {
	return at.Gen != s.until.Gen || at.Seq >= s.until.Seq
}
