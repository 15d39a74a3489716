package hub

import (
	"context"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/peers"
	"github.com/tidings-sse/tidings/hub/internal/presence"
)

// The hubs tell each other of their members once a second, besides the log.

const (
	presenceInterval = time.Second

	// presenceBurst is how many messages a hub sends at once. The rest of a whole state, or of more changes, follows after burstPause. Messages have
	// about 6 KiB, so that is 5 MiB a second, some 15,000 members with 200 bytes of data. A server of NATS or Redis, or a hub that is slow, has to
	// buffer no more than a burst, for which their limits (64 and 8 MB) have room.
	presenceBurst = 200
	burstPause    = presenceInterval / 4
)

// sharePresence tells the other hubs of the members of this one until ctx ends.
func (c *cluster) sharePresence(ctx context.Context) {
	next := time.NewTimer(presenceInterval)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
		for _, instance := range c.hub.presence.Wants() {
			c.sendPresence(ctx, presence.Part{Want: instance})
		}
		if c.tellPresence(ctx) {
			next.Reset(burstPause)
		} else {
			next.Reset(presenceInterval)
		}
	}
}

// tellPresence sends a burst of messages. It reports whether there may be more.
func (c *cluster) tellPresence(ctx context.Context) (more bool) {
	for range presenceBurst {
		part, ok := c.hub.presence.NextPart()
		if !ok {
			return false
		}
		c.sendPresence(ctx, part)
	}
	return true
}

// sendPresence sends a message. If it is lost, the other hubs notice that its number is missing.
func (c *cluster) sendPresence(ctx context.Context, part presence.Part) {
	part.Hub, part.Instance = c.opts.Name, c.instance
	c.broadcast(ctx, &peers.Message{Presence: &part})
}

// receivePresence takes a message of another hub about its members, or of this one.
func (c *cluster) receivePresence(part *presence.Part) {
	switch {
	case part.Instance == c.instance:
	case part.Want == c.instance:
		c.hub.presence.Want()
	default:
		c.hub.presence.Receive(part)
	}
}
