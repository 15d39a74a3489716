package natsnode

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A majority is one of the members of the cluster, and not of the list of peers. The two differ when a hub is lost and was not removed: its name still
// counts, beside that of the hub in its place. Servers keep the members on disk, so a node knows them also without a leader. Only a node that never was
// a member has to ask the others.

// group is what a server knows of hubs that elect a leader together. It does not change.
type group struct {
	who     string   // they are, for people
	members []string // IDs
	need    int      // members that must run
}

const (
	countingHubs = "the hubs that count"
	storingHubs  = "the hubs that store the shared log"
)

// metaGroup is the name of the group of all servers.
const metaGroup = "_meta_"

// groupOf returns the members of the cluster, as a server describes them.
func groupOf(r *server.RaftzGroup) *group {
	g := &group{who: countingHubs, members: slices.Collect(maps.Keys(r.Peers)), need: r.QuorumNeeded}
	if len(g.members) < r.Size { // the server that has answered is a member, too
		g.members = append(g.members, r.ID)
	}
	return g
}

// voters are the members of a group, by name. A majority of them elects a leader.
type voters struct {
	*group
	running []string // members that answer, this node included if it is one
	silent  []string // members that do not answer
}

// voters tells the members of a group that run, by ID, from the others. known are the names of hubs, by ID.
func (g *group) voters(runs map[string]bool, known map[string]string) *voters {
	v := &voters{group: g}
	for _, id := range g.members {
		name := cmp.Or(known[id], id)
		if runs[id] {
			v.running = append(v.running, name)
		} else {
			v.silent = append(v.silent, name)
		}
	}
	slices.Sort(v.running)
	slices.Sort(v.silent)
	return v
}

// counting returns the members of the cluster; nil if it never had a leader, as far as this node and its peers know.
func (n *Node) counting(ctx context.Context) *group {
	r := n.ownMembers()
	if r == nil || r.PIndex == 0 {
		r = n.othersMembers(ctx)
	}
	if r == nil {
		return nil
	}
	for id, p := range r.Peers { // a new node has met none of them
		if idOf(p.Name) == id {
			n.learn(p.Name)
		}
	}
	return groupOf(r)
}

// running returns the IDs of the hubs that answer, this one included. answers are those of all peers.
func (n *Node) running(answers []answer) map[string]bool {
	runs := map[string]bool{idOf(n.name): true}
	for _, a := range answers {
		if a.name != "" {
			runs[idOf(a.name)] = true
			n.learn(a.name)
		}
	}
	return runs
}

// ownMembers returns what the server of this node knows of the members; nil before it has started.
func (n *Node) ownMembers() *server.RaftzGroup {
	status := n.server.Raftz(&server.RaftzOptions{AccountFilter: systemAccount, GroupFilter: metaGroup})
	if status == nil {
		return nil
	}
	if group, ok := (*status)[systemAccount][metaGroup]; ok {
		return &group
	}
	return nil
}

// othersMembers returns what the connected server with the newest entries knows of the members; nil if none has entries.
func (n *Node) othersMembers(ctx context.Context) (newest *server.RaftzGroup) {
	question := &server.RaftzOptions{AccountFilter: systemAccount, GroupFilter: metaGroup}
	askAll(ctx, n, "$SYS.REQ.SERVER.PING.RAFTZ", question, func(_ string, status *server.RaftzStatus) bool {
		if group, ok := (*status)[systemAccount][metaGroup]; ok && group.PIndex > 0 && (newest == nil || group.PIndex > newest.PIndex) {
			newest = &group
		}
		return false
	})
	return newest
}

// askAll sends a question to all connected servers, and calls take with the name and the answer of each that answers within askTime, until take returns true.
// The answer of a server that has none, such as one without JetStream, is a zero value.
func askAll[T any](ctx context.Context, n *Node, subject string, question any, take func(server string, data *T) (enough bool)) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return
	}
	inbox := nats.NewInbox()
	answers, err := n.system.SubscribeSync(inbox)
	if err != nil {
		return
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only on a closed connection
	for err = n.system.PublishRequest(subject, inbox, body); err == nil; {
		var m *nats.Msg
		if m, err = answers.NextMsgWithContext(ctx); err != nil {
			return
		}
		var answer struct {
			Server struct {
				Name string `json:"name"`
			} `json:"server"`
			Data T `json:"data"`
		}
		if json.Unmarshal(m.Data, &answer) == nil && take(answer.Server.Name, &answer.Data) {
			return
		}
	}
}

// idOf returns the ID by which JetStream counts the server with a name.
func idOf(name string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(name))
	id := sum[:8]
	for i, b := range id {
		id[i] = digits[int(b)%len(digits)]
	}
	return string(id)
}

// knownNames returns the names of the servers that this node remembers, by ID.
func (n *Node) knownNames() map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.names)
}

// learn remembers the names of servers, so that each has one name in all messages, and not its ID in some.
func (n *Node) learn(names ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range names {
		n.names[idOf(name)] = name
	}
}

// list says which members run.
func (v *voters) list() string {
	parts := []string{does(v.running, "runs", "run"), does(v.silent, "does not answer", "do not answer")}
	return "Of " + v.who + ", " + strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "; ")
}

// does says what hubs do; empty if there are none.
func does(hubs []string, one, more string) string {
	switch len(hubs) {
	case 0:
		return ""
	case 1:
		return hubs[0] + " " + one
	}
	return strings.Join(hubs, ", ") + " " + more
}

// enough reports whether enough members run to elect a leader.
func (v *voters) enough() bool { return len(v.running) >= v.need }

// What an operator does if too many hubs are lost. A cluster with a majority can remove others.
const (
	afterDisaster = "Start the others; if too many of them are lost for good, docs/cluster.md (After a disaster) says how to continue with the events of one hub"
	removeLost    = "Start the others; if too many of them are lost for good, docs/cluster.md (Hubs that store the shared log) says how to continue without them"
)

// waitingFor says what hubs wait for that have no majority. It names hubs as the status of the cluster does. missing are the peers that do not answer: the
// list of peers may still have hubs that were removed, so an address does not say which hub is missing. more are sentences that follow the list of members.
func (v *voters) waitingFor(missing []string, more ...string) string {
	text := waitingFor(v.silent, len(v.members))
	if len(missing) > 0 {
		text += ", and no hub answers at " + strings.Join(missing, ", ")
	}
	if v.enough() {
		return text
	}
	help := afterDisaster
	if v.who == storingHubs {
		help = removeLost
	}
	return strings.Join(slices.Concat([]string{text, v.list()}, more, []string{help}), ". ")
}
