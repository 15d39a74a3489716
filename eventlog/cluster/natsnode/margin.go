package natsnode

import (
	"fmt"
	"strings"
)

// Margin says how many of the hubs that the cluster needs are left, and how many more may go, such as "2 of 3 hubs that store the shared log are left; if
// one more goes, nothing can be published". gone are the names of hubs that do not run; this node may still have connections with them, because it has not
// noticed yet. It is empty for a hub alone. Margin asks no other node.
func (n *Node) Margin(gone []string) string {
	all := n.ownMembers()
	if len(n.peers) == 1 || all == nil {
		return ""
	}
	runs := n.connected()
	for _, name := range gone {
		delete(runs, idOf(name))
	}
	counting := groupOf(all).voters(runs, nil)
	if storage := n.stored.Load(); storage != nil {
		return margin(counting, storage.voters(runs, nil))
	}
	return margin(counting, nil)
}

// margin is Margin for the hubs that count, and those that store the shared log; nil: this node does not know these.
func margin(counting, storage *voters) string {
	const grow = "no hub can be added, removed or started again"
	if storage == nil {
		return counting.left(grow)
	}
	text := storage.left("nothing can be published")
	if len(counting.members) != len(storage.members) && len(counting.running) <= counting.need { // otherwise both groups have a margin
		text += ". " + counting.left(grow)
	}
	return text
}

// left says how many members of the group run, and what ends without a majority of them.
func (v *voters) left(ends string) string {
	hubs := "hubs of the cluster"
	if v.who == storingHubs {
		hubs = strings.TrimPrefix(storingHubs, "the ")
	}
	count, are, more := fmt.Sprint(len(v.running)), "are", " more"
	switch len(v.running) {
	case 0:
		count = "none"
	case 1:
		are = "is"
	}
	text := fmt.Sprintf("%s of %d %s %s left; ", count, len(v.members), hubs, are)
	if len(v.silent) == 0 && len(v.members) > 1 {
		text, more = fmt.Sprintf("all %d %s run; ", len(v.members), hubs), ""
	}
	switch spare := len(v.running) - v.need; {
	case spare < 0:
		return text + fmt.Sprintf("%s until %d run", ends, v.need)
	case spare == 0:
		return text + fmt.Sprintf("if one%s goes, %s", more, ends)
	case spare == 1:
		return text + fmt.Sprintf("one%s may go", more)
	default:
		return text + fmt.Sprintf("%d%s may go", spare, more)
	}
}
