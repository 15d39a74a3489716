package fanout

import (
	"testing"
	"testing/synctest"
	"time"
)

// expiring is a client whose permission ends.
type expiring struct {
	anyone
	at time.Time
}

func (e expiring) Expires() time.Time { return e.at }

// TestStreamEndsInTheLastFifthOfItsPermission: never after it, whatever moment chance chooses.
func TestStreamEndsInTheLastFifthOfItsPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := start(t)
		s := f.shards[0]
		for _, life := range []time.Duration{3 * time.Second, time.Hour} {
			s.await(func() {
				now := s.wheel.at(time.Now())
				ticks := s.wheel.ticks(life)
				for range 1000 {
					sub := &subscriber{client: expiring{at: time.Now().Add(life)}}
					if s.limitLife(sub); sub.end > now+ticks || sub.end < now+ticks*4/5-1 || sub.warn < 1 || sub.warn >= sub.end {
						t.Errorf("of a life of %d ticks the warning is at %d, and the end at %d", ticks, sub.warn-now, sub.end-now)
						return
					}
				}
			})
		}
	})
}
