package natsnode

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Some of the hubs store the shared log: three of five, unless the operator chooses another number. Publishing needs a majority of these, and the cluster may
// have its own without it. JetStream gives the group of these hubs a random name, so a node asks for the stream, whose description names them. Only the hubs
// that store the log have that description. The others ask them now and then, and remember the answer.

const storageEvery = 10 * time.Second // between questions of a node that does not store the shared log

// storage is the group of the hubs that store the shared log.
type storage struct {
	*group
	led   bool // a leader is known
	heard time.Time
}

// storage returns the hubs that store the shared log, as far as this node has heard of them; nil if it has not.
func (n *Node) storage(ctx context.Context) *storage {
	found, before := storageIn(n.name, n.own(n.streamIn)), n.stored.Load()
	if found == nil {
		if before != nil && time.Since(before.heard) < storageEvery {
			return before
		}
		askAll(ctx, n, "$SYS.REQ.SERVER.PING.JSZ", n.question(), func(answering string, info *server.JSInfo) bool {
			if s := storageIn(answering, n.streamIn(info)); s != nil {
				found = s
			}
			return found != nil && found.led
		})
	}
	switch {
	case found == nil && before == nil:
		return nil
	case found == nil: // none of them answers
		found = &storage{group: before.group}
	}
	found.heard = time.Now()
	n.stored.Store(found)
	return found
}

// storageIn returns the hubs that store the shared log, as one of them describes it; nil if that one does not store it.
func storageIn(name string, info *server.ClusterInfo) *storage {
	if info == nil {
		return nil
	}
	members := []string{idOf(name)}
	for _, r := range info.Replicas {
		if !r.Pending && !slices.Contains(members, r.Peer) { // a hub that is to store the log has no vote before it joins the group
			members = append(members, r.Peer)
		}
	}
	return &storage{group: &group{storingHubs, members, len(members)/2 + 1}, led: info.Leader != ""}
}
