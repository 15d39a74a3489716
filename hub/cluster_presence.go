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

	// presenceBurst is how many messages a hub sends in an interval. The rest of a whole state, or of more changes, follows in the next ones.
	presenceBurst = 200
)

// sharePresence tells the other hubs of the members of this one until ctx ends.
func (c *cluster) sharePresence(ctx context.Context) {
	ticker := time.NewTicker(presenceInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for _, instance := range c.hub.presence.Wants() {
			c.sendPresence(ctx, presence.Part{Want: instance})
		}
		for range presenceBurst {
			part, ok := c.hub.presence.NextPart()
			if !ok {
				break
			}
			c.sendPresence(ctx, part)
		}
	}
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
