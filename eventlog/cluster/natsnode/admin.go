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
}

// Peer is a server of the cluster.
type Peer struct {
	Name    string        `json:"name"` // or its ID, if it has not run since the others were restarted; Remove accepts both
	Online  bool          `json:"online"`
	Current bool          `json:"current"` // it has everything that the leader has
	Active  time.Duration `json:"-"`       // since the leader last received a message from it; zero for the leader itself, and for a peer that never sent one

	id string // by which JetStream counts it
}

const adminTime = 5 * time.Second // for a request if the context has no deadline

// Status asks the leader of the cluster.
func (n *Node) Status(ctx context.Context) (Status, error) {
	status := Status{Name: n.name, Size: len(n.peers), StreamLeader: n.streamLeader()}
	if len(n.peers) == 1 {
		status.Leader, status.StreamLeader = n.name, n.name
		status.Peers = []Peer{{Name: n.name, Online: true, Current: true}}
		return status, nil
	}
	var answer struct {
		Data server.JSInfo `json:"data"`
	}
	if err := n.alone(); err != nil {
		return status, err
	}
	if err := n.ask(ctx, "$SYS.REQ.SERVER.PING.JSZ", &server.JSzOptions{LeaderOnly: true}, &answer); err != nil {
		return status, n.whyLeaderless(context.WithoutCancel(ctx), err)
	}
	meta := answer.Data.Meta
	if meta == nil {
		return status, errors.New("natsnode: the cluster has no leader at the moment")
	}
	status.Leader = meta.Leader
	status.Peers = append(status.Peers, Peer{Name: meta.Leader, Online: true, Current: true})
	known := n.knownNames()
	for _, r := range meta.Replicas {
		name := nameOf(r, known)
		if name != r.Peer {
			n.learn(name)
		}
		status.Peers = append(status.Peers, Peer{Name: name, Online: online(r), Current: r.Current, Active: r.Active, id: r.Peer})
	}
	return status, nil
}

// whyLeaderless explains why no leader answers. Just after an election this node may not know yet that there is one, so it is asked first.
func (n *Node) whyLeaderless(ctx context.Context, err error) error {
	if alone := n.alone(); alone != nil {
		return alone
	}
	if n.led() {
		return fmt.Errorf("natsnode: the leader of the cluster does not answer; if it is lost, another is elected within 10 s: %w", err)
	}
	answers := n.probeAll(ctx)
	missing, _ := n.unreached(answers)
	if v := n.voters(ctx, answers); v != nil && !v.enough() {
		return lostMajority(v.waitingFor(missing))
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
// majorities, and another node takes over its copy of the shared log. It fails if the peer is running.
func (n *Node) Remove(ctx context.Context, name string) error {
	status, err := n.Status(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(status.Peers, func(p Peer) bool { return p.Name == name || p.id == name })
	switch {
	case i >= 0 && status.Peers[i].Online:
		return errRuns(name, status.Peers[i].Active)
	case i < 0:
		return fmt.Errorf("natsnode: the cluster has no hub %q; it has %s", name, names(status.Peers))
	}
	var answer struct {
		Error *server.ApiError `json:"error"`
	}
	if err := n.ask(ctx, server.JSApiRemoveServer, &server.JSApiMetaServerRemoveRequest{Peer: status.Peers[i].id}, &answer); err != nil {
		return fmt.Errorf("natsnode: whether the hub %q was removed is not known: %w", name, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("natsnode: the hub %q was not removed: %w", name, answer.Error)
	}
	return nil
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
