package fanout

import "time"

// wavePause is the time between two waves of streams that end, so that their clients do not all reconnect at once.
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
	var all []*subscriber
	for _, g := range s.groups {
		for _, m := range g.live {
			all = append(all, &m.sub.subscriber)
		}
		for _, r := range g.runners {
			all = append(all, &r.subscriber)
		}
	}
	s.endInWaves(all, func(sub *subscriber) {
		if sub.stage == live {
			sub.via.leave(Drained)
		}
	})
}

// endInWaves calls end with all subscribers, in at most twenty waves. A subscriber may have left before its wave.
func (s *shard) endInWaves(subs []*subscriber, end func(*subscriber)) {
	s.endWave(subs, max(len(subs)/20, 250), end)
}

func (s *shard) endWave(subs []*subscriber, size int, end func(*subscriber)) {
	for _, sub := range subs[:min(size, len(subs))] {
		end(sub)
	}
	if rest := subs[min(size, len(subs)):]; len(rest) > 0 {
		time.AfterFunc(wavePause, func() { s.post(func() { s.endWave(rest, size, end) }) })
	}
}
