package natsnode

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Status describes the cluster as its leader sees it.
type Status struct {
	Name         string `json:"name"`         // of this node
	Size         int    `json:"size"`         // of the list of peers
	Leader       string `json:"leader"`       // of the cluster, which places streams
	StreamLeader string `json:"streamLeader"` // of the shared log, through which every message goes; empty if there is none at the moment
	Peers        []Peer `json:"peers"`

	// Trouble says that the hubs that store the shared log have lost their majority, which of them run, and what to do; empty: they have one.
	Trouble string `json:"trouble,omitempty"`
}

// Peer is a server of the cluster.
type Peer struct {
	Name    string        `json:"name"` // or its ID, if it has not run since the others were restarted; Remove accepts both
	Online  bool          `json:"online"`
	Current bool          `json:"current"` // it has everything that the leader has
	Stores  bool          `json:"stores"`  // the shared log, as far as is known
	Active  time.Duration `json:"-"`       // since the leader last received a message from it; zero for the leader itself, and for a peer that never sent one

	id string // by which JetStream counts it
}

const adminTime = 5 * time.Second // for a request if the context has no deadline

// Status asks the leader of the cluster.
func (n *Node) Status(ctx context.Context) (Status, error) {
	status := Status{Name: n.name, Size: len(n.peers), StreamLeader: n.streamLeader()}
	if len(n.peers) == 1 {
		status.Leader, status.StreamLeader = n.name, n.name
		status.Peers = []Peer{{Name: n.name, Online: true, Current: true, Stores: true}}
		return status, nil
	}
	var answer struct {
		Data server.JSInfo `json:"data"`
	}
	lost := n.lost.Load()
	if !lost.leads() {
		return status, fmt.Errorf("natsnode: %w", lost)
	}
	if err := n.ask(ctx, "$SYS.REQ.SERVER.PING.JSZ", &server.JSzOptions{LeaderOnly: true}, &answer); err != nil {
		return status, n.whyLeaderless(context.WithoutCancel(ctx), err)
	}
	meta := answer.Data.Meta
	if meta == nil {
		return status, errors.New("natsnode: the cluster has no leader at the moment")
	}
	status.Leader = meta.Leader
	if lost != nil {
		status.Trouble = lost.Error()
	}
	stored, known := n.stored.Load(), n.knownNames()
	stores := func(id string) bool { return stored != nil && slices.Contains(stored.members, id) }
	status.Peers = append(status.Peers, Peer{Name: meta.Leader, Online: true, Current: true, Stores: stores(idOf(meta.Leader))})
	for _, r := range meta.Replicas {
		name := nameOf(r, known)
		if name != r.Peer {
			n.learn(name)
		}
		status.Peers = append(status.Peers, Peer{Name: name, Online: online(r), Current: r.Current, Stores: stores(r.Peer), Active: r.Active, id: r.Peer})
	}
	return status, nil
}

// whyLeaderless explains why no leader answers. Just after an election this node may not know yet that there is one, so it is asked first.
func (n *Node) whyLeaderless(ctx context.Context, err error) error {
	if lost := n.lost.Load(); !lost.leads() {
		return fmt.Errorf("natsnode: %w", lost)
	}
	if n.led() {
		return fmt.Errorf("natsnode: the leader of the cluster does not answer; if it is lost, another is elected within 10 s: %w", err)
	}
	if lost, _ := n.findOutage(ctx); !lost.leads() {
		return fmt.Errorf("natsnode: %w", lost)
	}
	return errors.New("natsnode: the cluster has no leader at the moment: another is elected within 10 s")
}

// nameOf returns the name of a peer, or its ID if neither the leader nor this node knows its name. Servers learn names from each other while they run, and
// keep only IDs. JetStream then has a sentence in place of the name, and names have no spaces.
func nameOf(p *server.PeerInfo, known map[string]string) string {
	if strings.Contains(p.Name, " ") {
		return cmp.Or(known[p.Peer], p.Peer)
	}
	return p.Name
}

// lostTime is how long the leader may hear nothing of a peer that is online. Peers answer its heartbeats every second.
const lostTime = 10 * time.Second

// online reports whether a peer takes part. NATS itself calls a peer offline that has said goodbye, but one that was killed only after 150 s.
func online(p *server.PeerInfo) bool { return !p.Offline && p.Active > 0 && p.Active < lostTime }

// ask sends a request as the administrator, and decodes the answer.
func (n *Node) ask(ctx context.Context, subject string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	var body []byte
	if question != nil {
		var err error
		if body, err = json.Marshal(question); err != nil {
			return err
		}
	}
	m, err := n.system.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(m.Data, answer)
}

// Remove removes a peer from the cluster for good: one that will not come back, because its directory is lost. It no longer counts for
// majorities, and another node takes over its copy of the shared log. It fails if the peer is running, or if none of the peers that store the log is: then
// JetStream would make an empty log.
func (n *Node) Remove(ctx context.Context, name string) error {
	status, err := n.Status(ctx)
	if err != nil {
		return err
	}
	p, err := removable(name, status.Peers)
	if err != nil {
		return err
	}
	var answer struct {
		Error *server.ApiError `json:"error"`
	}
	if err := n.ask(ctx, server.JSApiRemoveServer, &server.JSApiMetaServerRemoveRequest{Peer: p.id}, &answer); err != nil {
		return fmt.Errorf("natsnode: whether the hub %q was removed is not known: %w", name, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("natsnode: the hub %q was not removed: %w", name, answer.Error)
	}
	return nil
}

// removable returns the peer that is to be removed, or why it is not removed. Another node may know its name when this one does not.
func removable(name string, peers []Peer) (p Peer, err error) {
	i := slices.IndexFunc(peers, func(p Peer) bool { return p.Name == name || p.id == name || p.id == idOf(name) })
	if i < 0 {
		return p, fmt.Errorf("natsnode: the cluster has no hub %q; it has %s", name, names(peers))
	}
	switch p = peers[i]; {
	case p.Online:
		return p, errRuns(name, p.Active)
	case p.Stores && !slices.ContainsFunc(peers, func(p Peer) bool { return p.Stores && p.Online }):
		return p, fmt.Errorf("natsnode: the hub %q is not removed, because no hub that stores the shared log runs: start one of them; "+
			"if all are lost for good, docs/cluster.md (After a disaster) says how to continue with the events of one hub", name)
	}
	return p, nil
}

// heartbeat is more than the time between two messages of a peer that runs.
const heartbeat = 2 * time.Second

// errRuns refuses to remove a peer that the leader has heard of some time ago. A peer that was killed counts as running for lostTime.
func errRuns(name string, ago time.Duration) error {
	if ago < heartbeat {
		return fmt.Errorf("natsnode: the hub %q is running: stop it before it is removed; if it has stopped just now, try again in %v", name, lostTime)
	}
	return fmt.Errorf("natsnode: the hub %q was heard of %v ago, and counts as running until that is %v: if it has stopped, try again in %v", name,
		ago.Truncate(time.Second), lostTime, max(lostTime-ago.Truncate(time.Second), time.Second))
}

func names(peers []Peer) (text string) {
	for i, p := range peers {
		if i > 0 {
			text += ", "
		}
		text += p.Name
	}
	return text
}
