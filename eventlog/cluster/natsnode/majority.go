package natsnode

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// contact is what a running node knows of its contact with the others.
type contact struct {
	next   time.Time // when to look again which peers do not answer
	pause  time.Duration
	logged string // the reason that the log has already; empty: none
}

// checkContact logs which peers do not answer, and why, when this node has lost the majority of them. It keeps their names for Ready and Status.
//
// A majority that is there and elects a leader is no fault: the checks of the server alone would take it for one.
func (n *Node) checkContact(ctx context.Context, c *contact) {
	if n.quorate() && n.server.JetStreamIsCurrent() && n.led() {
		n.regain(c)
		return
	}
	if time.Now().Before(c.next) {
		return
	}
	answers := n.probeAll(ctx)
	v := n.voters(ctx, answers)
	if ctx.Err() != nil {
		return
	}
	if v == nil || v.enough() {
		n.regain(c)
		return
	}
	c.pause = min(max(2*c.pause, diagnose), diagnoseMax)
	c.next = time.Now().Add(c.pause)
	missing, why := n.unreached(answers)
	reason := v.waitingFor(missing)
	n.lack(reason)
	if reason != c.logged {
		c.logged = reason
		n.o.Logger.Warn("this hub has lost the majority of its cluster: " + reason + why)
	}
}

// regain notes that most peers answer.
func (n *Node) regain(c *contact) {
	if c.logged != "" {
		n.o.Logger.Info("this hub has the majority of its cluster again")
	}
	*c = contact{}
	n.lack("")
}

// lack keeps what this node waits for while the majority is lost; empty: it is not lost.
func (n *Node) lack(reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lacking = reason
}

// alone returns an error that says which hubs are missing if the majority is lost, as far as this node knows.
func (n *Node) alone() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lacking == "" {
		return nil
	}
	return lostMajority(n.lacking)
}

// lostMajority is the error of a node that waits for other hubs.
func lostMajority(reason string) error {
	return errors.New("natsnode: this hub has lost the majority of its cluster: " + reason)
}

// quorate reports whether this node has connections with so many members that they can elect a leader, itself included. Hubs that do not count do not help,
// such as new ones in the places of lost ones.
func (n *Node) quorate() bool {
	routes, err := n.server.Routez(nil)
	if err != nil {
		return true // not known
	}
	connected := map[string]bool{n.name: true}
	for _, r := range routes.Routes {
		connected[r.RemoteName] = true
	}
	n.learn(slices.Collect(maps.Keys(connected))...)
	group := n.ownMembers()
	if group == nil {
		return len(connected) > len(n.peers)/2
	}
	return quorate(group, connected)
}

// quorate reports whether the members of a group among the connected servers can elect a leader.
func quorate(group *server.RaftzGroup, connected map[string]bool) bool {
	count := max(group.Size-len(group.Peers), 0) // 1 if the node that describes the group is a member: it is not among the peers
	for name := range connected {
		if _, counts := group.Peers[idOf(name)]; counts {
			count++
		}
	}
	return count >= group.QuorumNeeded
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

var errNoMajority = errors.New("natsnode: this hub has lost contact with the majority of the cluster")
