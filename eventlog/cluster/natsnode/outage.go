package natsnode

import "context"

// outage is the error of a node that has lost a majority: that of its cluster, that of the hubs that store the shared log, or both.
type outage struct {
	cluster *voters
	storage *voters  // nil: not known
	missing []string // peers that do not answer
}

// findOutage asks all peers. It returns nil if no majority is lost, as far as this node and its peers know. why says why peers do not answer, as the end of a
// sentence.
func (n *Node) findOutage(ctx context.Context) (lost *outage, why string) {
	answers := n.probeAll(ctx)
	runs := n.running(answers)
	counting, storage := n.counting(ctx), n.storage(ctx)
	if counting == nil {
		return nil, ""
	}
	known := n.knownNames()
	lost = &outage{cluster: counting.voters(runs, known)}
	if storage != nil {
		lost.storage = storage.voters(runs, known)
	}
	if lost.leads() && (storage == nil || lost.storage.enough()) {
		return nil, ""
	}
	lost.missing, why = n.unreached(answers)
	return lost, why
}

// leads reports whether the cluster has a majority, although a node has lost one; also without an outage.
func (o *outage) leads() bool { return o == nil || o.cluster.enough() }

// Error says what is lost, whether events can be published, which hubs are needed and what to do. A node cannot tell hubs that do not run from hubs that it
// does not reach.
func (o *outage) Error() string {
	of, lost, publishing := "its cluster", o.cluster, "nothing can be published at it"
	var more []string
	if o.leads() {
		of, lost = storingHubs, o.storage
	} else if o.storage != nil && len(o.storage.members) != len(o.cluster.members) {
		more = append(more, o.storage.list())
	}
	switch {
	case o.storage == nil:
		publishing = "whether events can be published is not known"
	case o.storage.enough():
		publishing = "events can still be published"
		more = append(more, "Until more hubs answer, no hub can be added, removed or started again")
	case len(o.storage.silent) >= o.storage.need:
		more = append(more, "If the others run, and only this hub does not reach them, they still accept events")
	}
	return "this hub has lost the majority of " + of + ", and " + publishing + ": " + lost.waitingFor(o.missing, more...)
}
