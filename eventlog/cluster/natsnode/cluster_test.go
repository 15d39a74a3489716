package natsnode_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// scenario is a fault of three hubs under load. It returns the identifiers of messages that it has published itself.
type scenario struct {
	name string
	run  func(*testing.T, *trio, *load) []cluster.ID
}

// scenarios begin with those that every test run plays. TIDINGS_CLUSTER=1 runs the others, too; each takes up to half a minute, because
// JetStream elects a leader after 4 to 9 s.
var scenarios = []scenario{
	{"LeaderYieldsOnlyToANodeThatFollowsIt", leaderYields},
	{"LeaderDiesBetweenStoreAndAcknowledgement", leaderDies},
	{"PausedLeaderComesBack", leaderPauses},
	{"MinorityStoresNothingAndSaysSo", minority},
	{"RollingRestartUnderLoad", rollingRestart},
	{"HubLosesItsDirectory", directoryLost},
}

func TestThreeHubs(t *testing.T) {
	t.Parallel()
	rounds, err := strconv.Atoi(os.Getenv("TIDINGS_CLUSTER"))
	chosen := scenarios
	if err != nil || rounds < 1 {
		rounds, chosen = 1, scenarios[:2]
	}
	for round := range rounds {
		for _, s := range chosen {
			t.Run(s.name+"/"+strconv.Itoa(round), func(t *testing.T) {
				c := newTrio(t)
				l := c.load()
				l.goesOn("before the fault")
				also := s.run(t, c, l)
				l.goesOn("after the fault")
				l.check(also...)
				c.stopTogether()
			})
		}
	}
}

// TestThreeHubsConform runs the conformance suite of orders on three hubs. Like the scenarios, it is for TIDINGS_CLUSTER=1.
func TestThreeHubsConform(t *testing.T) {
	if os.Getenv("TIDINGS_CLUSTER") == "" {
		return
	}
	c := newTrio(t)
	streams := 0
	ordertest.Run(t, func(t *testing.T) ordertest.Cluster {
		streams++
		o := natslog.Options{Stream: "conform" + strconv.Itoa(streams), Replicas: 3, MaxBytes: 64 << 20}
		opened := 0
		open := func(t *testing.T) *natslog.Order {
			o := o
			opened++
			node := c.hubs[opened%3].node
			o.Connect = node.Connect()
			order, err := natslog.Open(t.Context(), node.URL(), &o)
			if err != nil {
				t.Fatal(err)
			}
			return order
		}
		t.Cleanup(func() { deleteStream(t, c.hubs[0].node, o.Stream) })
		return ordertest.Cluster{
			Open:   func(t *testing.T) cluster.Order { return patient{open(t)} },
			Delete: func(t *testing.T) { deleteStream(t, c.hubs[0].node, o.Stream) },
		}
	})
}

// patient repeats what is refused for now. Right after a stream is made, some servers do not know yet where it is.
type patient struct{ cluster.Order }

func (p patient) Publish(ctx context.Context, to string, id cluster.ID, data []byte) error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := p.Order.Publish(ctx, to, id, data)
		if refused, ok := errors.AsType[*cluster.RefusedError](err); !ok || !refused.Later || time.Now().After(end) {
			return err
		}
	}
}

// deleteStream deletes a stream by hand. It may be gone already.
func deleteStream(t *testing.T, n *natsnode.Node, stream string) {
	nc, err := nats.Connect("", n.Connect()...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		err = js.DeleteStream(context.Background(), stream)
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Fatal(err)
	}
}

// publishOnce returns the error of one attempt.
func publishOnce(h *hub, id cluster.ID) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, order := h.running()
	return order.Publish(ctx, "", id, []byte("by hand"))
}

func isRefused(err error) bool {
	_, ok := errors.AsType[*cluster.RefusedError](err)
	return ok
}

// leaderDies cuts the connection from the leader back to a publisher, so that a message is stored and its publisher gets no answer.
func leaderDies(t *testing.T, c *trio, l *load) []cluster.ID {
	leader := c.leader()
	publisher := c.other(leader)
	before, id := newID(), newID()
	if err := publisher.publish(before, "by hand"); err != nil { // now the publisher has found the leader
		t.Fatal(err)
	}
	c.network.OneWay(leader.name, publisher.name)
	if err := publishOnce(publisher, id); err == nil || isRefused(err) {
		t.Fatalf("a message without an answer: %v, want an error that leaves it open", err)
	}
	leader.die() // the delayed answers never arrive
	l.goesOn("after the leader's death")
	if err := publisher.publish(id, "by hand"); err != nil {
		t.Fatal(err)
	}
	bounds(t, leader, false)
	c.network.Heal()
	if err := leader.ready(); err != nil {
		t.Errorf("the hub that is back is not ready: %v", err)
	}
	bounds(t, leader, true)
	return []cluster.ID{before, id}
}

// leaderYields hands the leadership over while a node does not follow, although the leader does not know that yet.
func leaderYields(t *testing.T, c *trio, _ *load) []cluster.ID {
	leader := c.leader()
	deaf := c.other(leader)
	c.network.Pause(deaf.name)
	if err := leader.node.StepDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := c.leader()
	if next == leader || next == deaf || leader.node.Leads() {
		t.Errorf("%s leads after %s, while %s is cut off", next.name, leader.name, deaf.name)
	}
	if leader.node.LeadsCluster() {
		t.Errorf("%s still leads the cluster", leader.name)
	}
	id := newID()
	if err := leader.publish(id, "by hand"); err != nil {
		t.Errorf("publishing after a handover: %v", err)
	}
	for _, h := range c.hubs {
		if h != next {
			c.network.Pause(h.name)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := next.node.StepDown(soon); err == nil || !next.node.Leads() {
		t.Errorf("without a follower, StepDown returns %v, and the node leads: %v", err, next.node.Leads())
	}
	if left := next.node.HandOverTime(); left > 2*time.Second { // of 3 s, in which the hub promises to hand over
		t.Errorf("after a StepDown of a second in vain, Close may wait for another %v", left)
	}
	c.network.Heal()
	return []cluster.ID{id}
}

// bounds checks whether the order answers on a hub.
func bounds(t *testing.T, h *hub, answers bool) {
	t.Helper()
	ask := func(ctx context.Context) error {
		_, err := h.order.Bounds(ctx)
		if err == nil {
			_, err = h.order.Message(ctx, 1)
		}
		return err
	}
	if answers {
		if err := repeat(ask); err != nil {
			t.Errorf("hub %s has no contact: %v", h.name, err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := ask(ctx); err == nil {
		t.Errorf("hub %s has contact, although it is cut off", h.name)
	}
}

// leaderPauses resumes a paused leader after the others have elected another one, as after SIGSTOP and SIGCONT. The old leader must answer
// no question about the order.
func leaderPauses(t *testing.T, c *trio, l *load) []cluster.ID {
	leader := c.leader()
	c.network.Pause(leader.name)
	var contact time.Duration
	for began := time.Now(); time.Since(began) < 12*time.Second; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := leader.order.Bounds(ctx); err == nil {
			contact = time.Since(began)
		}
		cancel()
	}
	// It leads for 10 s after the last message from the others. Another one can lead after 4 s.
	if contact > 4*time.Second {
		t.Errorf("the leader answers %v after it was cut off", contact)
	}
	l.goesOn("while the old leader is paused")
	id := newID()
	if err := publishOnce(leader, id); err == nil {
		t.Error("a hub that is cut off has stored a message")
	}
	c.network.Heal()
	bounds(t, leader, true)
	if err := leader.publish(id, "by hand"); err != nil {
		t.Fatal(err)
	}
	return []cluster.ID{id}
}

// minority cuts one hub off from the others.
func minority(t *testing.T, c *trio, l *load) []cluster.ID {
	alone := c.leader()
	c.network.Pause(alone.name)
	for _, other := range c.hubs {
		if other != alone {
			c.network.Reset(alone.name, other.name)
		}
	}
	l.goesOn("in the majority")
	id := newID()
	var err error
	for !isRefused(err) { // unknown until it knows that it does not lead
		if err = publishOnce(alone, id); err == nil {
			t.Fatal("a hub without a majority has stored a message")
		}
	}
	bounds(t, alone, false)
	if err := alone.node.Ready(); err == nil {
		t.Error("a hub without a majority is ready")
	}
	status, err := alone.node.Status(t.Context())
	if err == nil {
		t.Errorf("a hub without a majority knows the state of the cluster: %+v", status)
	}
	c.network.Heal()
	if err := alone.publish(id, "by hand"); err != nil {
		t.Fatal(err)
	}
	return []cluster.ID{id}
}

// rollingRestart restarts one hub after the other.
func rollingRestart(t *testing.T, c *trio, l *load) []cluster.ID {
	for _, h := range c.hubs {
		name := h.node.Name()
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		l.goesOn("while a hub is stopped")
		if err := h.start(); err != nil {
			t.Fatal(err)
		}
		if err := h.ready(); err != nil {
			t.Fatal(err)
		}
		if h.node.Name() != name {
			t.Errorf("the hub %s is called %s after a restart", name, h.node.Name())
		}
	}
	return nil
}

// directoryLost replaces a hub whose disk is lost.
func directoryLost(t *testing.T, c *trio, l *load) []cluster.ID {
	h := c.other(c.leader())
	old := h.node.Name()
	if err := c.leader().node.Remove(t.Context(), old); err == nil {
		t.Error("a hub that runs is removed")
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	if h.node.Name() == old {
		t.Error("a hub without a memory votes under its old name")
	}
	if err := repeat(func(ctx context.Context) error { return h.node.Remove(ctx, old) }); err != nil {
		t.Fatal(err)
	}
	err := repeat(func(ctx context.Context) error { // it has a copy of the stream now
		status, err := h.node.Status(ctx)
		if err == nil && (len(status.Peers) != 3 || !h.node.HasStream()) {
			err = errors.New("the new hub has no copy yet")
		}
		return err
	})
	if err == nil {
		err = h.ready()
	}
	if err != nil {
		t.Fatal(err)
	}
	return nil
}
