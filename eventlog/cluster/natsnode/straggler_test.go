package natsnode_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestHubWithEntriesThatNoMajorityHasIsBackSoon restarts a leader that has stored many entries while it was alone. JetStream removes each of them
// in up to 2 s, so without help the hub needs longer than the minute of this test. It runs alone, or other tests could use up that minute.
func TestHubWithEntriesThatNoMajorityHasIsBackSoon(t *testing.T) {
	c := newTrio(t)
	stored := []cluster.ID{newID()}
	if err := c.hubs[0].publish(stored[0], "before"); err != nil {
		t.Fatal(err)
	}
	alone := c.leader()
	alone.die()
	var all sync.WaitGroup
	for range 80 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := alone.order.Publish(ctx, "", newID(), []byte("alone")); err == nil {
				t.Error("a hub without a majority has stored a message")
			}
		})
		time.Sleep(15 * time.Millisecond) // each message is an entry of its own
	}
	all.Wait()
	other := c.hubs[0]
	if other == alone {
		other = c.hubs[1]
	}
	for range 100 {
		stored = append(stored, newID())
		if err := other.publish(stored[len(stored)-1], "with a majority"); err != nil {
			t.Fatal(err)
		}
	}
	if err := alone.stop(); err != nil {
		t.Fatal(err)
	}
	c.network.Heal()
	load := c.load() // only new entries remind JetStream of a node that is behind
	if err := alone.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // without help, the hub needs more than two
	defer cancel()
	if err := alone.node.Await(ctx); err != nil {
		t.Fatal(err)
	}
	load.check(stored...)
}

func TestOnlyAHubThatDoesNotComeCloserIsStuck(t *testing.T) {
	look := func(b, c uint64) []*server.PeerInfo {
		return []*server.PeerInfo{{Name: "b", Active: time.Second, Lag: b}, {Name: "c", Active: time.Second, Lag: c}}
	}
	quiet := func(seconds int) []*server.PeerInfo {
		return []*server.PeerInfo{{Name: "b", Active: time.Duration(seconds) * time.Second, Lag: 50}}
	}
	for name, test := range map[string]struct {
		looks [][]*server.PeerInfo
		want  string
	}{
		"both follow":             {[][]*server.PeerInfo{look(0, 1), look(1, 0), look(0, 0), look(0, 1), look(1, 0), look(0, 1)}, ""},
		"b comes closer":          {[][]*server.PeerInfo{look(90, 0), look(80, 0), look(70, 0), look(60, 0), look(50, 0), look(40, 0)}, ""},
		"b falls further behind":  {[][]*server.PeerInfo{look(90, 0), look(91, 0), look(92, 0), look(93, 0), look(94, 0), look(95, 0)}, "b"},
		"c stays behind":          {[][]*server.PeerInfo{look(0, 7), look(0, 7), look(0, 7), look(0, 7), look(0, 7), look(0, 7)}, "c"},
		"c has not had the time":  {[][]*server.PeerInfo{look(0, 7), look(0, 7), look(0, 7), look(0, 7), look(0, 7)}, ""},
		"b was killed":            {[][]*server.PeerInfo{quiet(1), quiet(2), quiet(3), quiet(4), quiet(5), quiet(6)}, ""},
		"b was never heard":       {[][]*server.PeerInfo{quiet(0), quiet(0), quiet(0), quiet(0), quiet(0), quiet(0)}, ""},
		"b was not there before":  {[][]*server.PeerInfo{quiet(60), quiet(61), quiet(62), quiet(63), look(50, 0), look(50, 0)}, ""},
		"b was current meanwhile": {[][]*server.PeerInfo{look(5, 0), look(5, 0), look(5, 0), look(0, 0), look(5, 0), look(5, 0)}, ""},
	} {
		if got := natsnode.Stuck(test.looks...); got != test.want {
			t.Errorf("%s: %q is stuck, want %q", name, got, test.want)
		}
	}
}
