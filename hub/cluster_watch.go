package hub

import (
	"context"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// watch logs which hubs go and come back, until ctx ends.
func (c *cluster) watch(ctx context.Context) {
	tick := time.NewTicker(peers.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			changes, gone := c.others.Changes(time.Now())
			for i := range changes {
				c.report(&changes[i], gone)
			}
		case <-ctx.Done():
			return
		}
	}
}

// report logs that a hub has gone or is back, and what that means for the cluster. gone are the names of all hubs that are gone.
func (c *cluster) report(change *peers.Change, gone []string) {
	log := c.hub.opts.Logger.With("hub", change.Hub.Name, "url", change.Hub.URL)
	if means := c.means(change, gone); means != "" {
		log = log.With("means", means)
	}
	away := change.Away.Round(time.Second)
	switch {
	case !change.Gone:
		log.Info("a hub of the cluster is back", "away", away)
	case change.Left:
		log.Info("a hub of the cluster has stopped")
	default:
		log.Warn("a hub of the cluster is gone: it has crashed, or the network between it and this hub is cut", "silent", away)
	}
}

// means says what a change means for the cluster; empty: that is not known.
func (c *cluster) means(change *peers.Change, gone []string) string {
	var parts []string
	if c.opts.Margin != nil {
		if text := c.opts.Margin(gone); text != "" {
			parts = append(parts, text)
		}
	}
	if change.Gone && !change.Left && time.Since(c.log.Status().Contact) > peers.Expiry/2 { // longer than most elections, during which nobody has contact
		parts = append(parts, "This hub has no contact with the shared log, so perhaps it is the one that is cut off")
	}
	return strings.Join(parts, ". ")
}
