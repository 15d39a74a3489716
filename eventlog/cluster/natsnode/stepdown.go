package natsnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// errAlone is returned by StepDown if no other hub could lead.
var errAlone = errors.New("natsnode: no other hub is connected that could lead the shared log")

// StepDown hands the leadership of this node, of the shared log and of the cluster, to other nodes, and waits until they lead. The node stays
// a member, and may be elected again.
//
// JetStream takes 4 to 9 s for an election if the successor that it chooses does not follow the leader yet, such as a node that was just
// restarted. So StepDown chooses one that does, and waits for it. If ctx ends before that, the node still leads.
func (n *Node) StepDown(ctx context.Context) error {
	if len(n.peers) == 1 {
		return nil
	}
	began := time.Now()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.yielded += time.Since(began)
	}()
	if n.server.JetStreamIsStreamLeader(account, n.o.Stream) {
		client, err := nats.Connect(n.URL(), n.Connect()...) // the administrator has no access to streams
		if err != nil {
			return fmt.Errorf("natsnode: %w", err)
		}
		defer client.Close()
		if err := n.handOver(ctx, client, fmt.Sprintf(server.JSApiStreamLeaderStepDownT, n.o.Stream), n.streamIn); err != nil {
			return err
		}
	}
	if !n.server.JetStreamIsLeader() {
		return nil
	}
	return n.handOver(ctx, n.system, server.JSApiLeaderStepDown, metaIn)
}

// handOverTime is how long Close may wait for another node to lead: a program that has waited in vain by StepDown does not wait again.
func (n *Node) handOverTime() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(closeTime-n.yielded, 0)
}

// handOver lets another node lead a group of nodes, of which this one is the leader, by a request to the group.
func (n *Node) handOver(ctx context.Context, nc *nats.Conn, request string, group groupIn) error {
	next, err := n.awaitSuccessor(ctx, group)
	if err != nil {
		return err
	}
	question, err := json.Marshal(server.JSApiLeaderStepdownRequest{Placement: &server.Placement{Preferred: next}})
	if err != nil {
		return err
	}
	var answer struct {
		Error *server.ApiError `json:"error"`
	}
	switch m, err := nc.RequestWithContext(ctx, request, question); {
	case errors.Is(err, nats.ErrNoResponders): // another node leads in the meantime
	case err != nil:
		return fmt.Errorf("natsnode: %w", err)
	default:
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return fmt.Errorf("natsnode: %w", err)
		}
	}
	if answer.Error != nil {
		return fmt.Errorf("natsnode: this hub cannot hand over the leadership: %w", answer.Error)
	}
	check := time.NewTicker(checkTime)
	defer check.Stop()
	for {
		if g := n.own(group); g != nil && g.Leader != "" && g.Leader != n.name {
			return nil
		}
		if n.server.NumRoutes() == 0 { // all nodes stop
			return errAlone
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("natsnode: no other hub leads yet: %w", ctx.Err())
		case <-check.C:
		}
	}
}

// awaitSuccessor waits until a node can take over a group as soon as this one steps down, and returns its name.
func (n *Node) awaitSuccessor(ctx context.Context, group groupIn) (string, error) {
	check := time.NewTicker(checkTime)
	defer check.Stop()
	for {
		if n.server.NumRoutes() == 0 {
			return "", errAlone
		}
		if next := n.successor(ctx, group); next != "" {
			return next, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("natsnode: no other hub can lead yet: %w", ctx.Err())
		case <-check.C:
		}
	}
}

const askTime = 200 * time.Millisecond // for the answers of all nodes

// successor returns the name of a node that can take over a group; empty if there is none at the moment. This node, the leader, must know it as
// current. The other node must know this one as its leader, because the leader does not notice a quick restart at once.
func (n *Node) successor(ctx context.Context, group groupIn) (name string) {
	mine := n.own(group)
	if mine == nil {
		return ""
	}
	askAll(ctx, n, "$SYS.REQ.SERVER.PING.JSZ", n.question(), func(answering string, info *server.JSInfo) bool {
		follows := func(p *server.PeerInfo) bool { return p.Name == answering && p.Current && online(p) }
		if theirs := group(info); theirs != nil && theirs.Leader == n.name && slices.ContainsFunc(mine.Replicas, follows) {
			name = answering
		}
		return name != ""
	})
	return name
}

// question asks a node for what groupIn needs.
func (n *Node) question() *server.JSzOptions {
	return &server.JSzOptions{Account: account, Streams: true}
}

// groupIn finds a group of nodes in what a node says about itself; nil if the node does not know the group.
type groupIn func(*server.JSInfo) *server.ClusterInfo

// metaIn finds the group of all nodes.
func metaIn(info *server.JSInfo) *server.ClusterInfo {
	if info.Meta == nil {
		return nil
	}
	return &server.ClusterInfo{Leader: info.Meta.Leader, Replicas: info.Meta.Replicas}
}

// streamIn finds the nodes that store the shared log.
func (n *Node) streamIn(info *server.JSInfo) *server.ClusterInfo {
	for _, a := range info.AccountDetails {
		for _, s := range a.Streams {
			if s.Name == n.o.Stream {
				return s.Cluster
			}
		}
	}
	return nil
}

// own returns a group as this node knows it; nil if it does not.
func (n *Node) own(group groupIn) *server.ClusterInfo {
	info, err := n.server.Jsz(n.question())
	if err != nil {
		return nil
	}
	return group(info)
}

// streamLeader returns the name of the node that leads the shared log, as this node knows it; empty if it knows none.
func (n *Node) streamLeader() string {
	if group := n.own(n.streamIn); group != nil {
		return group.Leader
	}
	return ""
}
