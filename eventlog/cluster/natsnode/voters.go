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

// voters are the members of the cluster, whose majority elects a leader.
type voters struct {
	need    int      // members that must run
	running []string // names of members that answer, this node included if it is one
	silent  []string // names of members that do not answer
}

// metaGroup is the name of the group of all servers.
const metaGroup = "_meta_"

// voters returns the members of the cluster; nil if it never had a leader, as far as this node and its peers know. answers are those of all peers.
func (n *Node) voters(ctx context.Context, answers []answer) *voters {
	group := n.ownMembers()
	if group == nil || group.PIndex == 0 {
		group = n.othersMembers(ctx)
	}
	if group == nil {
		return nil
	}
	runs := map[string]bool{idOf(n.name): true}
	for _, a := range answers {
		if a.name != "" {
			runs[idOf(a.name)] = true
			n.learn(a.name)
		}
	}
	for id, p := range group.Peers { // a new node has met none of them
		if idOf(p.Name) == id {
			n.learn(p.Name)
		}
	}
	known := n.knownNames()
	v := &voters{need: group.QuorumNeeded}
	ids := slices.Collect(maps.Keys(group.Peers))
	if len(ids) < group.Size { // the server that has answered is a member, too
		ids = append(ids, group.ID)
	}
	for _, id := range ids {
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
	n.askAll(ctx, "$SYS.REQ.SERVER.PING.RAFTZ", &server.RaftzOptions{AccountFilter: systemAccount, GroupFilter: metaGroup}, func(_ string, data json.RawMessage) bool {
		var status server.RaftzStatus
		if json.Unmarshal(data, &status) != nil {
			return false
		}
		if group, ok := status[systemAccount][metaGroup]; ok && group.PIndex > 0 && (newest == nil || group.PIndex > newest.PIndex) {
			newest = &group
		}
		return false
	})
	return newest
}

// askAll sends a question to all connected servers, and calls take with the name of each that answers within askTime, until take returns true.
func (n *Node) askAll(ctx context.Context, subject string, question any, take func(server string, data json.RawMessage) (enough bool)) {
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
			Data json.RawMessage `json:"data"`
		}
		if json.Unmarshal(m.Data, &answer) == nil && take(answer.Server.Name, answer.Data) {
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
	running, silent := strings.Join(v.running, ", "), strings.Join(v.silent, ", ")
	switch len(v.silent) {
	case 0:
	case 1:
		silent += " does not"
	default:
		silent += " do not"
	}
	const these = "Of the hubs that count, "
	switch {
	case len(v.running) == 0:
		return these + silent + " run"
	case len(v.running) == 1:
		running += " runs"
	default:
		running += " run"
	}
	if silent != "" {
		running += "; "
	}
	return these + running + silent
}

// enough reports whether enough members run to elect a leader.
func (v *voters) enough() bool { return len(v.running) >= v.need }

// afterDisaster says what an operator does if hubs that count are gone for good.
const afterDisaster = "Start the others; if too many of them are lost for good, docs/cluster.md (After a disaster) says how to continue with the events of one hub"

// waitingFor says what hubs wait for that have no majority. It names hubs as the status of the cluster does. missing are the peers that do not answer: the
// list of peers may still have hubs that were removed, so an address does not say which hub is missing.
func (v *voters) waitingFor(missing []string) string {
	text := waitingFor(v.silent, len(v.running)+len(v.silent))
	if len(missing) > 0 {
		text += ", and no hub answers at " + strings.Join(missing, ", ")
	}
	if !v.enough() {
		text += ". " + v.list() + ". " + afterDisaster
	}
	return text
}
