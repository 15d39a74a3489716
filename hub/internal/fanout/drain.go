package fanout

import "time"

// wavePause is the time between two waves of streams that end when the hub drains.
const wavePause = 50 * time.Millisecond

// drain ends all streams, in waves, so that their clients do not all reconnect at once. Each stream first gets the events that were
// stored before the drain.
func (s *shard) drain() {
	// Publishers may add events faster than the hub delivers them. Clients get later events when they reconnect.
	s.until = s.f.window.head()
	if s.at.Gen != s.until.Gen {
		s.deliverNext()
	}
	for s.at.Gen == s.until.Gen && s.at.Seq < s.until.Seq && s.f.ctx.Err() == nil {
		s.deliverNext()
	}
	s.draining = true
	s.catchAhead()
	for _, g := range s.groups {
		for _, m := range g.live {
			s.leaving = append(s.leaving, &m.sub.subscriber)
		}
		for _, r := range g.runners {
			s.leaving = append(s.leaving, &r.subscriber)
		}
	}
	s.drainWave(max(len(s.leaving)/20, 250))
}

func (s *shard) drainWave(size int) {
	wave := s.leaving[:min(size, len(s.leaving))]
	s.leaving = s.leaving[len(wave):]
	for _, sub := range wave {
		if sub.stage == live {
			sub.via.leave(Drained)
		}
	}
	if len(s.leaving) > 0 {
		time.AfterFunc(wavePause, func() { s.post(func() { s.drainWave(size) }) })
	}
}
