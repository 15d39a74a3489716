package natsnode

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Leads reports whether this node leads the shared log.
func (n *Node) Leads() bool { return n.server.JetStreamIsStreamLeader(account, n.o.Stream) }

// LeadsCluster reports whether this node leads the cluster, which places streams.
func (n *Node) LeadsCluster() bool { return n.server.JetStreamIsLeader() }

// HasStream reports whether this node has a copy of the shared log.
func (n *Node) HasStream() bool { return n.server.JetStreamIsStreamAssigned(account, n.o.Stream) }

// HandOverTime returns how long Close may wait for another node to lead.
func (n *Node) HandOverTime() time.Duration { return n.handOverTime() }

// Disable stops JetStream, as a full disk does.
func (n *Node) Disable() error { return n.server.DisableJetStream() }

// ProbeFor lets peers take some time to answer. Each of them has to answer or to refuse the connection.
func (o *Options) ProbeFor(d time.Duration) { o.probeTime = d }

// FindPeers returns the addresses of all hubs, and this one's.
func (o *Options) FindPeers(ctx context.Context) ([]string, string, error) { return o.findPeers(ctx) }

// Examine compares what the leader of the cluster knows with what this node was told.
func (n *Node) Examine(ctx context.Context) { n.examine(ctx, false) }

// Resolve replaces DNS for a test.
func Resolve(t *testing.T, f func(context.Context, string) ([]netip.Addr, error)) {
	old := lookup
	lookup = f
	t.Cleanup(func() { lookup = old })
}

// ServerLog returns a logger for the server's messages.
func ServerLog(to *slog.Logger) server.Logger { return &serverLog{logger: to} }

// WaitingFor says what a node waits for that does not reach some of its peers.
func WaitingFor(missing []string, all int) string { return waitingFor(missing, all) }

// WaitingForMembers says what hubs wait for of which some run.
func WaitingForMembers(running, silent, missing []string) string {
	return votersOf(countingHubs, &Members{running, silent}).waitingFor(missing)
}

// Members are the hubs of a group: those that run, and those that do not answer.
type Members struct{ Running, Silent []string }

func votersOf(who string, m *Members) *voters {
	if m == nil {
		return nil
	}
	all := slices.Concat(m.Running, m.Silent)
	return &voters{&group{who, all, len(all)/2 + 1}, m.Running, m.Silent}
}

// Outage says what is lost if some hubs count, and some store the shared log. Nil: those that store it are not known.
func Outage(counting, storing *Members, missing ...string) string {
	return (&outage{votersOf(countingHubs, counting), votersOf(storingHubs, storing), missing}).Error()
}

// Margin says how many more hubs may go if some hubs count, and some store the shared log. Nil: those that store it are not known.
func Margin(counting, storing *Members) string {
	return margin(votersOf(countingHubs, counting), votersOf(storingHubs, storing))
}

// Storage returns the hubs that store the shared log, as one of them describes it, how many of them are needed, and whether one is known to lead. A hub
// has its ID, or one of the names.
func Storage(name string, info *server.ClusterInfo, names ...string) (members []string, need int, led bool) {
	s, known := storageIn(name, info), map[string]string{}
	for _, name := range names {
		known[idOf(name)] = name
	}
	return s.voters(nil, known).silent, s.need, s.led
}

// ID returns the ID by which JetStream counts the server with a name.
func ID(name string) string { return idOf(name) }

// WaitingForAll says what a node waits for at the first start of its cluster.
func WaitingForAll(missing []string, all int) string { return waitingForAll(missing, all) }

// Quorate reports whether the member a-1 that has connections with some servers can elect a leader with them. others are the other members.
func Quorate(others []string, connected ...string) bool {
	size := len(others) + 1
	group := &server.RaftzGroup{ID: idOf("a-1"), Size: size, QuorumNeeded: size/2 + 1, Peers: map[string]server.RaftzGroupPeer{}}
	for _, name := range others {
		group.Peers[idOf(name)] = server.RaftzGroupPeer{}
	}
	ids := map[string]bool{}
	for _, name := range connected {
		ids[idOf(name)] = true
	}
	return groupOf(group).voters(ids, nil).enough()
}

// Nameless returns a peer of which only the ID is known.
func Nameless(name string) Peer { return Peer{Name: idOf(name), id: idOf(name)} }

// Removable returns why a peer is not removed.
func Removable(name string, peers ...Peer) error {
	_, err := removable(name, peers)
	return err
}

// ErrRuns refuses to remove a peer that was heard of some time ago.
func ErrRuns(name string, ago time.Duration) error { return errRuns(name, ago) }

// IDs returns the ID by which JetStream counts this node, and the one by which this package does.
func (n *Node) IDs() (theirs, ours string) { return n.server.Node(), idOf(n.name) }

// Stuck returns the name of a follower that does not come closer to its leader, after one look at each of these states of the followers, a second apart.
func Stuck(looks ...[]*server.PeerInfo) (name string) {
	s, now := stragglers{}, time.Now()
	for i, followers := range looks {
		name = s.stuck(followers, now.Add(time.Duration(i)*time.Second))
	}
	return name
}
