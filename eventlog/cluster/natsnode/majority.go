package natsnode

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// contact is what a running node knows of its contact with the others.
type contact struct {
	next   time.Time // when to look again which peers do not answer
	pause  time.Duration
	logged string // the outage that the log has already; empty: none
}

// checkContact logs which peers do not answer, and why, when this node has lost a majority of them. It keeps that for Ready and Status.
//
// A majority that is there and elects a leader is no fault: the checks of the server alone would take it for one.
func (n *Node) checkContact(ctx context.Context, c *contact) {
	if n.inContact(ctx) {
		n.regain(c)
		return
	}
	if time.Now().Before(c.next) {
		return
	}
	lost, why := n.findOutage(ctx)
	if ctx.Err() != nil {
		return
	}
	if lost == nil {
		n.regain(c)
		return
	}
	c.pause = min(max(2*c.pause, diagnose), diagnoseMax)
	c.next = time.Now().Add(c.pause)
	n.lost.Store(lost)
	if text := lost.Error(); text != c.logged {
		c.logged = text
		n.o.Logger.Warn(text + why)
	}
}

// inContact reports whether this node has connections with a majority of each group of hubs, and knows of leaders.
func (n *Node) inContact(ctx context.Context) bool {
	all, connected := n.ownMembers(), n.connected()
	if all == nil || !groupOf(all).voters(connected, nil).enough() || !n.server.JetStreamIsCurrent() || !n.led() {
		return false
	}
	storage := n.storage(ctx)
	return storage == nil || storage.led && storage.voters(connected, nil).enough()
}

// regain notes that no majority is lost.
func (n *Node) regain(c *contact) {
	if c.logged != "" {
		n.o.Logger.Info("this hub has its majority again")
	}
	*c = contact{}
	n.lost.Store(nil)
}

// connected returns the IDs of the hubs with which this node has connections, itself included. Hubs that do not count may be among them, such as new ones in
// the places of lost ones.
func (n *Node) connected() map[string]bool {
	ids := map[string]bool{idOf(n.name): true}
	routes, err := n.server.Routez(nil)
	if err != nil {
		return ids
	}
	for _, r := range routes.Routes {
		ids[idOf(r.RemoteName)] = true
		n.learn(r.RemoteName)
	}
	return ids
}

// examine compares what the leader of the cluster knows with what this node was told, and logs what the operator should change. rejoins says
// that this node was a member before. It asks until a leader answers.
func (n *Node) examine(ctx context.Context, rejoins bool) {
	all, running, err := n.members(ctx)
	if err != nil {
		return
	}
	if rejoins && !slices.Contains(all, n.name) {
		n.o.Logger.Warn("this hub was removed from its cluster, and is a member again: in some minutes it counts for majorities. If it should not be one, stop it and delete its data directory",
			"hub", n.name, "dir", n.o.Dir)
	}
	if len(running) <= len(n.peers) {
		return
	}
	// Perhaps one of them was killed, and this node has taken its place: it counts as online for lostTime.
	select {
	case <-time.After(lostTime):
	case <-ctx.Done():
		return
	}
	if _, running, err = n.members(ctx); err == nil && len(running) > len(n.peers) {
		n.o.Logger.Warn("more hubs take part in the cluster than the list of peers of this hub has: start it with the list of all hubs",
			"list", strings.Join(n.peers, ", "), "cluster", strings.Join(running, ", "))
	}
}

// members returns the names of all members of the cluster, and of those that run. It asks until a leader answers or ctx ends.
func (n *Node) members(ctx context.Context) (all, running []string, err error) {
	status, err := n.Status(ctx)
	for ; err != nil; status, err = n.Status(ctx) {
		select {
		case <-time.After(healthTime):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	for _, p := range status.Peers {
		all = append(all, p.Name)
		if p.Online {
			running = append(running, p.Name)
		}
	}
	return all, running, nil
}

var errNoLeader = errors.New("natsnode: this hub has no contact with the leader of its cluster, or is still behind it")
