package natsnode_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// captured is a log that a test reads.
type captured struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *captured) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(b)
}

// await waits until a line has all words, and returns it.
func (c *captured) await(t *testing.T, words ...string) (found string) {
	t.Helper()
	err := repeat(func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for line := range strings.SplitSeq(c.text.String(), "\n") {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
				found = line
				return nil
			}
		}
		return errors.New("the log has no such line:\n" + c.text.String())
	})
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return found
}

// capture makes a hub log to what it returns, from its next start on.
func (h *hub) capture() *captured {
	c := new(captured)
	h.log = slog.New(slog.NewTextHandler(c, nil))
	return c
}

// restart stops and starts a hub, with a change in between.
func (h *hub) restart(t *testing.T, between func()) {
	t.Helper()
	err := h.stop()
	between()
	if err = errors.Join(err, h.start()); err != nil {
		t.Fatal(err)
	}
}

// TestHubThatLosesItsMajoritySaysWhomItMisses in its log, in its readiness and in its status. It logged nothing.
func TestHubThatLosesItsMajoritySaysWhomItMisses(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	h := c.hubs[0]
	lost := []string{c.hubs[1].node.Name(), c.hubs[2].node.Name()}
	slices.Sort(lost)
	waits := "waiting for one of " + strings.Join(lost, ", ") + ": 2 of 3 hubs are needed, and no hub answers at " + h.peers[1] + ", " + h.peers[2]
	var log *captured
	h.restart(t, func() { log = h.capture() })
	if err := h.ready(); err != nil {
		t.Fatal(err)
	}
	for _, other := range c.hubs[1:] {
		other.die()
	}
	log.await(t, "has lost the majority of its cluster, and nothing can be published at it: "+waits, "; "+h.peers[1]+": ", "; "+h.peers[2]+": ")
	for what, ask := range map[string]func(context.Context) error{
		"Ready":  func(context.Context) error { return h.node.Ready() },
		"Status": func(ctx context.Context) error { return second(h.node.Status(ctx)) },
	} {
		if err := repeat(func(ctx context.Context) error { // on a busy machine, the line may be about an outage before this one
			if err := ask(ctx); err == nil || !strings.Contains(err.Error(), waits+". Of the hubs that count, "+h.node.Name()+" runs; ") {
				return fmt.Errorf("%w; want the missing hubs", err)
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.network.Heal()
	log.await(t, "has its majority again")
	if err := h.ready(); err != nil {
		t.Error(err)
	}
	anotherLeads(t, c)
}

// anotherLeads compares what the servers store, and lets another one lead.
func anotherLeads(t *testing.T, c *trio) {
	t.Helper()
	if err := c.hubs[0].publish(newID(), "one"); err != nil {
		t.Fatal(err)
	}
	leader := c.leader()
	var want cluster.Message
	err := repeat(func(ctx context.Context) (err error) {
		want, err = leader.order.Message(ctx, 1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // any server may answer
		err := repeat(func(ctx context.Context) error {
			got, err := leader.order.Sample(ctx, 1)
			if err == nil && (got.ID != want.ID || !got.Time.Equal(want.Time) || string(got.Data) != "one") {
				t.Errorf("a server has %+v, and the leader %+v", got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := leader.order.Sample(t.Context(), 1000); err == nil {
		t.Error("a server has a message that was never published")
	}
	err = repeat(func(ctx context.Context) error { // the servers may still elect a leader of the cluster
		err := leader.order.Elect(ctx)
		if err == nil && c.leader() == leader {
			err = errors.New("the same server leads")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func second(_ natsnode.Status, err error) error { return err }

// TestRemovedHubThatIsStartedAgainSaysSo: it was a member again without a word. So was a hub with a list of peers that lacks one, whose majorities
// differ from those of the others.
func TestRemovedHubThatIsStartedAgainSaysSo(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	h := c.other(c.leader())
	name, all := h.node.Name(), h.peers
	var log *captured
	h.restart(t, func() {
		log = h.capture()
		i := slices.IndexFunc(all, func(peer string) bool { return peer != h.self })
		h.peers = slices.Delete(slices.Clone(all), i, i+1)
	})
	log.await(t, "more hubs take part in the cluster than the list of peers")

	h.restart(t, func() {
		log, h.peers = h.capture(), all
		if err := repeat(func(ctx context.Context) error { return c.leader().node.Remove(ctx, name) }); err != nil {
			t.Fatal(err)
		}
	})
	log.await(t, "was removed from its cluster, and is a member again", "hub="+name, "dir="+h.dir)
}

// TestLostHubIsRemovedAlthoughTheOthersHaveRestarted: they no longer knew its name. The status had a sentence in its place, by which the hub could not be
// removed, so that it counted for ever.
func TestLostHubIsRemovedAlthoughTheOthersHaveRestarted(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	c.each((*hub).stop)
	others := c.hubs[:2]
	var all sync.WaitGroup
	for _, h := range others {
		all.Go(func() {
			if err := h.start(); err != nil {
				t.Errorf("hub %s: %v", h.name, err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	peers := func(ctx context.Context) (names, lost []string, err error) {
		status, err := others[0].node.Status(ctx)
		for _, p := range status.Peers {
			if names = append(names, p.Name); !p.Online {
				lost = append(lost, p.Name)
			}
		}
		return names, lost, err
	}
	err := repeat(func(ctx context.Context) error {
		names, lost, err := peers(ctx)
		if err == nil && (len(names) != 3 || len(lost) != 1) {
			err = fmt.Errorf("of the peers %q, %q are lost", names, lost)
		}
		if err != nil {
			return err
		}
		if strings.ContainsFunc(lost[0], func(r rune) bool { return r == ' ' || r == '(' }) {
			t.Errorf("the lost hub is called %q, which is not one word for a command", lost[0])
		}
		return others[1].node.Remove(ctx, lost[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := repeat(func(ctx context.Context) error {
		names, _, err := peers(ctx)
		if err == nil && len(names) != 2 {
			err = fmt.Errorf("the cluster has the peers %q", names)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestHubSaysThatItKeepsItsName: another name was ignored without a word.
func TestHubSaysThatItKeepsItsName(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cluster.json"), []byte(`{"format":1,"name":"old-x7k2","single":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "jetstream"), 0o700); err != nil {
		t.Fatal(err)
	}
	for chosen, warns := range map[string]bool{"": false, "old": false, "new": true, "ol": true} {
		log := new(captured)
		n, err := natsnode.Open(t.Context(), &natsnode.Options{Peers: []string{freeAddress(t)}, Name: chosen, Dir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Name(); got != "old-x7k2" {
			t.Errorf("with %q chosen the hub is called %q", chosen, got)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.text.String(), "keeps the name"); got != warns {
			t.Errorf("with %q chosen the hub warns: %v\n%s", chosen, got, &log.text)
		}
	}
}

// TestHubWarnsOnceOfItsList: a program that asks for its name first had each warning twice.
func TestHubWarnsOnceOfItsList(t *testing.T) {
	log := new(captured)
	o := &natsnode.Options{Peers: []string{freeAddress(t), freeAddress(t)}, Secret: secret, Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(log, nil))}
	o.Self = o.Peers[0]
	if _, _, err := natsnode.Identify(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if log.text.Len() > 0 {
		t.Errorf("Identify has logged:\n%s", &log.text)
	}
	if _, _, err := o.FindPeers(t.Context()); err != nil {
		t.Fatal(err)
	}
	log.await(t, "a cluster of 2 hubs survives")
}
