package natsnode_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestHubsThatStoreTheLogAreTheMembersOfItsGroup, whichever of them describes it. A leader does not name itself among its replicas.
func TestHubsThatStoreTheLogAreTheMembersOfItsGroup(t *testing.T) {
	peer := func(name string) *server.PeerInfo { return &server.PeerInfo{Name: name, Peer: natsnode.ID(name)} }
	joining := peer("d-4")
	joining.Pending = true
	nameless := peer("c-3")
	nameless.Name = "Server name unknown at this time (peerID: " + nameless.Peer + ")"
	for name, test := range map[string]struct {
		info    server.ClusterInfo
		members string
		need    int
		led     bool
	}{
		"a leader":                  {server.ClusterInfo{Leader: "a-1", Replicas: []*server.PeerInfo{peer("b-2"), peer("c-3")}}, "a-1, b-2, c-3", 2, true},
		"a follower":                {server.ClusterInfo{Leader: "b-2", Replicas: []*server.PeerInfo{peer("b-2"), peer("c-3")}}, "a-1, b-2, c-3", 2, true},
		"without a leader":          {server.ClusterInfo{Replicas: []*server.PeerInfo{peer("a-1"), peer("b-2"), nameless}}, "a-1, b-2, c-3", 2, false},
		"alone":                     {server.ClusterInfo{Leader: "a-1"}, "a-1", 1, true},
		"while another one joins":   {server.ClusterInfo{Leader: "a-1", Replicas: []*server.PeerInfo{peer("b-2"), peer("c-3"), joining}}, "a-1, b-2, c-3", 2, true},
		"with as many as there are": {server.ClusterInfo{Leader: "a-1", Replicas: []*server.PeerInfo{peer("b-2"), peer("c-3"), peer("d-4"), peer("e-5")}}, "a-1, b-2, c-3, d-4, e-5", 3, true},
	} {
		members, need, led := natsnode.Storage("a-1", &test.info, "a-1", "b-2", "c-3", "d-4", "e-5")
		if got := strings.Join(members, ", "); got != test.members || need != test.need || led != test.led {
			t.Errorf("%s: %s store the log, %d are needed, one leads: %v; want %s, %d, %v", name, got, need, led, test.members, test.need, test.led)
		}
	}
}

// TestOutageSaysWhichMajorityIsLostAndWhetherEventsCanBePublished: all outages had the same text, also if events were still stored. With five hubs, none named
// those that store the log.
func TestOutageSaysWhichMajorityIsLostAndWhetherEventsCanBePublished(t *testing.T) {
	members := func(running, silent string) *natsnode.Members {
		return &natsnode.Members{Running: strings.Fields(running), Silent: strings.Fields(silent)}
	}
	const after = ". Start the others; if too many of them are lost for good, docs/cluster.md (After a disaster) says how to continue with the events of one hub"
	remove := strings.NewReplacer("After a disaster", "Hubs that store the shared log", "with the events of one hub", "without them").Replace(after)
	const cut = ". If the others run, and only this hub does not reach them, they still accept events"
	for name, test := range map[string]struct {
		counting, storing *natsnode.Members
		says              string
	}{
		"all hubs store the log": {
			members("a-1", "b-2 c-3"), members("a-1", "b-2 c-3"),
			"its cluster, and nothing can be published at it: waiting for one of b-2, c-3: 2 of 3 hubs are needed, and no hub answers at x:1. Of the hubs that count, a-1 runs; b-2, c-3 do not answer" + cut + after,
		},
		"two of the three that store it": {
			members("a-1 d-4 e-5", "b-2 c-3"), members("a-1", "b-2 c-3"),
			"the hubs that store the shared log, and nothing can be published at it: waiting for one of b-2, c-3: 2 of 3 hubs are needed, and no hub answers at x:1. Of the hubs that store the shared log, a-1 runs; b-2, c-3 do not answer" + cut + remove,
		},
		"all three that store it": {
			members("d-4 e-5 f-6 g-7", "a-1 b-2 c-3"), members("", "a-1 b-2 c-3"),
			"the hubs that store the shared log, and nothing can be published at it: waiting for 2 of a-1, b-2, c-3: 2 of 3 hubs are needed, and no hub answers at x:1. Of the hubs that store the shared log, a-1, b-2, c-3 do not answer" + cut + remove,
		},
		"one of two that store it": {
			members("a-1 c-3", "b-2"), members("a-1", "b-2"),
			"the hubs that store the shared log, and nothing can be published at it: waiting for b-2: 2 of 2 hubs are needed, and no hub answers at x:1. Of the hubs that store the shared log, a-1 runs; b-2 does not answer" + remove,
		},
		"three of five, and one that stores it": {
			members("a-1 b-2", "c-3 d-4 e-5"), members("a-1 b-2", "c-3"),
			"its cluster, and events can still be published: waiting for one of c-3, d-4, e-5: 3 of 5 hubs are needed, and no hub answers at x:1. Of the hubs that count, a-1, b-2 run; c-3, d-4, e-5 do not answer" +
				". Of the hubs that store the shared log, a-1, b-2 run; c-3 does not answer. Until more hubs answer, no hub can be added, removed or started again" + after,
		},
		"three of five, and two that store it": {
			members("a-1 d-4", "b-2 c-3 e-5"), members("a-1", "b-2 c-3"),
			"its cluster, and nothing can be published at it: waiting for one of b-2, c-3, e-5: 3 of 5 hubs are needed, and no hub answers at x:1. Of the hubs that count, a-1, d-4 run; b-2, c-3, e-5 do not answer" +
				". Of the hubs that store the shared log, a-1 runs; b-2, c-3 do not answer" + cut + after,
		},
		"a hub that has never heard who stores it": {
			members("e-5", "a-1 b-2 c-3 d-4"), nil,
			"its cluster, and whether events can be published is not known: waiting for 2 of a-1, b-2, c-3, d-4: 3 of 5 hubs are needed, and no hub answers at x:1. Of the hubs that count, e-5 runs; a-1, b-2, c-3, d-4 do not answer" + after,
		},
	} {
		if got, want := natsnode.Outage(test.counting, test.storing, "x:1"), "this hub has lost the majority of "+test.says; got != want {
			t.Errorf("%s:\n%s, want\n%s", name, got, want)
		}
	}
}

// TestHubIsNotRemovedWhileNoneThatStoresTheLogRuns: JetStream made an empty log, which no hub could follow or replace.
func TestHubIsNotRemovedWhileNoneThatStoresTheLogRuns(t *testing.T) {
	up, stores := natsnode.Peer{Name: "a-1", Online: true, Stores: true}, natsnode.Peer{Name: "b-2", Stores: true}
	other, lost := natsnode.Peer{Name: "c-3", Online: true}, natsnode.Peer{Name: "d-4"}
	for _, test := range []struct {
		name  string
		peers []natsnode.Peer
		says  string
	}{
		{"b-2", []natsnode.Peer{up, stores, other}, ""},
		{"d-4", []natsnode.Peer{up, stores, lost}, ""},
		{"d-4", []natsnode.Peer{stores, other, lost}, ""},
		{"d-4", []natsnode.Peer{other, lost}, ""}, // nobody knows who stores the log
		{"b-2", []natsnode.Peer{stores, other}, `the hub "b-2" is not removed, because no hub that stores the shared log runs: start one of them; if all are lost for good, docs/cluster.md (After a disaster) `},
		{"e-5", []natsnode.Peer{up, other}, `the cluster has no hub "e-5"; it has a-1, c-3`},
		{"c-3", []natsnode.Peer{up, other}, `the hub "c-3" is running: stop it `},
	} {
		switch err := natsnode.Removable(test.name, test.peers...); {
		case err == nil && test.says == "":
		case err == nil || test.says == "" || !strings.HasPrefix(err.Error(), "natsnode: "+test.says):
			t.Errorf("%s of %+v: %v, want %s", test.name, test.peers, err, test.says)
		}
	}
}

// TestLostHubIsRemovedByItsNameAndByItsID: a hub that did not know the name refused the command that another one had printed.
func TestLostHubIsRemovedByItsNameAndByItsID(t *testing.T) {
	peers := []natsnode.Peer{{Name: "a-1", Online: true}, natsnode.Nameless("b-2"), {Name: "c-3"}}
	for _, name := range []string{"b-2", natsnode.ID("b-2"), "c-3"} {
		if err := natsnode.Removable(name, peers...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
