package natsnode

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A server must not meet those of another cluster that has the same secret: both have elections under the same name, and one whose elections are
// more recent deposes the leader of the other cluster again and again. So a node remembers the members of its cluster, and does not start its
// server if most of its peers run and none of them is one of these.
//
// Fewer than most say nothing: new nodes may have started first, in the places of lost ones. If most are new, the old majority is lost, and the
// operator has to decide what continues.

const membersEvery = 10 * time.Second // between looks at the members of the cluster

// checkMembers refuses peers that are members of another cluster.
func (n *Node) checkMembers(answers []answer, id *identity) error {
	if len(id.Members) < 2 {
		return nil // it has not seen its cluster yet, or an older version has written the file
	}
	var others []string
	for _, a := range answers {
		switch {
		case slices.Contains(id.Members, a.name):
			return nil
		case a.name != "":
			others = append(others, a.name)
		}
	}
	if len(others) <= len(n.peers)/2 {
		return nil
	}
	return fmt.Errorf("the directory %s is of a hub in the cluster of %s, and at %s the hubs %s answer, which are not of that cluster: "+
		"list the hubs of its own cluster, or move the directory away, so that this hub joins as a new peer", n.o.Dir, strings.Join(id.Members, ", "),
		strings.Join(n.peers, ", "), strings.Join(others, ", "))
}

// keepMembers writes the names of the members into the file of the node when they change, until ctx ends.
func (n *Node) keepMembers(ctx context.Context, id *identity) {
	for {
		all, _, err := n.members(ctx)
		if err != nil {
			return
		}
		if slices.Sort(all); slices.Contains(all, n.name) && !slices.Equal(all, id.Members) {
			id.Members = all
			if err := id.store(filepath.Join(n.o.Dir, nameFile)); err != nil {
				n.o.Logger.Warn("the names of the members of the cluster cannot be stored", "error", err.Error())
				id.Members = nil // tried again
			}
		}
		select {
		case <-time.After(membersEvery):
		case <-ctx.Done():
			return
		}
	}
}
