package natsnode

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// stuckTime is how long another node may follow the leader without coming closer, until the leader helps it.
	stuckTime = 5 * time.Second
	// quietTime is how long the leader may hear nothing of a node that follows. It is less than stuckTime, so a node that was killed is not helped.
	quietTime = 4 * time.Second
)

// stragglers are the nodes that are behind the leader of the shared log, by name.
type stragglers map[string]straggler

type straggler struct {
	lag   uint64    // the smallest number of entries that the node has lacked
	since time.Time // since when
}

// stuck records what the leader knows about its followers, and returns the name of one that does not come closer; empty if there is none.
func (s stragglers) stuck(followers []*server.PeerInfo, now time.Time) (name string) {
	for _, f := range followers {
		switch before, known := s[f.Name]; {
		case !online(f) || f.Active >= quietTime || f.Lag == 0:
			delete(s, f.Name)
		case !known || f.Lag < before.lag:
			s[f.Name] = straggler{f.Lag, now}
		case now.Sub(before.since) >= stuckTime:
			name = f.Name
		}
	}
	return name
}

// helpStragglers lets a node that does not come closer to this one, the leader, continue from a snapshot.
//
// JetStream compares a node that has entries of an earlier leader, which no majority has, with the leader's entries one by one, and pauses for up
// to 2 s after each. When all hubs lose power at once there may be a hundred of them, so the node is not ready for minutes. A snapshot replaces
// all of them, and the node then asks for the messages that it lacks.
func (n *Node) helpStragglers(s stragglers, now time.Time) {
	if len(n.peers) == 1 || !n.server.JetStreamIsStreamLeader(account, n.o.Stream) {
		clear(s)
		return
	}
	group := n.own(n.streamIn)
	if group == nil {
		return
	}
	name := s.stuck(group.Replicas, now)
	if name == "" {
		return
	}
	// It is refused in the moments in which a node is being sent entries. Then the next look tries again.
	if err := n.server.JetStreamSnapshotStream(account, n.o.Stream); err != nil {
		n.o.Logger.Debug("no snapshot for a hub that lags behind", "hub", name, "error", err.Error())
		return
	}
	clear(s)
	n.o.Logger.Info("a hub does not catch up with the shared log by itself, and gets a snapshot", "hub", name)
}
