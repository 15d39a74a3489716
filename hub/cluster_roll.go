package hub

import (
	"context"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// Announcements come every two seconds. For people who look at the cluster that is too slow: a hub that was killed would count as ready, one that
// was replaced would be listed twice, and a hub that has just started would know no other.
const (
	rollTime  = 500 * time.Millisecond // for the answers of hubs, which announce themselves after up to greetingPause
	rollLook  = 10 * time.Millisecond  // between looks whether all have answered
	rollAgain = 500 * time.Millisecond // between questions: one may be lost
)

// roll asks all hubs to announce themselves, and returns those that were heard of lately, this one first. It waits until all of them have
// answered, for at most half a second. A hub that has just started and does not know how many others there are listens for two seconds first.
func (c *cluster) roll(ctx context.Context) []peers.Hub {
	asked := time.Now()
	until := asked.Add(rollTime)
	if early := c.began.Add(peers.Interval + rollTime); until.Before(early) {
		until = early
	}
	look := time.NewTicker(rollLook)
	defer look.Stop()
	for question := (time.Time{}); ; {
		now := time.Now()
		if now.Sub(question) >= rollAgain {
			question = now
			c.broadcast(ctx, &peers.Message{Who: true})
		}
		others := c.others.Answers(c.opts.Name, asked, now)
		if now.After(until) || ctx.Err() != nil || c.complete(others, now) {
			return append([]peers.Hub{c.self(ctx)}, others...)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// complete reports whether all hubs have answered, as far as this hub knows how many there are.
func (c *cluster) complete(others []peers.Hub, now time.Time) bool {
	for i := range others {
		if others[i].Silent {
			return false
		}
	}
	expected := 0
	if c.opts.Hubs != nil {
		expected = c.opts.Hubs()
	}
	return expected > 0 && len(others)+1 >= expected || now.Sub(c.began) >= peers.Interval
}
