package natsnode_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestHubInThePlaceOfALostOne: a hub is lost, and a new one starts in its place, while the lost one still counts for majorities.
func TestHubInThePlaceOfALostOne(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	h := c.other(c.leader())
	lost := h.node.Name()
	h.die()
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	c.network.Heal()
	logs := map[*hub]*captured{h: h.capture()}
	h.dir = t.TempDir()
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	h.node.Examine(t.Context())

	// TestHubThatTakesThePlaceOfAKilledOneIsNotOneTooMany: the other one counts as online for some seconds.
	logs[h].mu.Lock()
	if text := logs[h].text.String(); strings.Contains(text, "more hubs take part") {
		t.Error(text)
	}
	logs[h].mu.Unlock()

	t.Run("LostHubThatStillCountsIsNamedWhenTheMajorityIsLost", func(t *testing.T) { lostHubIsNamed(t, c, h, lost) })
}

// lostHubIsNamed kills one of three hubs that run. Both others said that they had no contact, or waited for a leader, and not that a fourth hub counts.
func lostHubIsNamed(t *testing.T, c *trio, h *hub, lost string) {
	var killed, old *hub
	for _, other := range c.hubs {
		if other != h && killed == nil {
			killed = other
		} else if other != h {
			old = other
		}
	}
	if err := repeat(func(ctx context.Context) error { // all know the new member
		status, err := old.node.Status(ctx)
		if err == nil && len(status.Peers) != 4 {
			err = fmt.Errorf("the cluster has the members %+v", status.Peers)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	silent := []string{lost, killed.node.Name()}
	running := []string{old.node.Name(), h.node.Name()}
	slices.Sort(silent)
	slices.Sort(running)
	killed.die()
	const needed, help = ": 3 of 4 hubs are needed, and no hub answers at ", "docs/cluster.md (After a disaster)"
	want := "waiting for one of " + strings.Join(silent, ", ") + needed
	run := ". Of the hubs that count, " + strings.Join(running, ", ") + " run; "
	counts := run + strings.Join(silent, ", ") + " do not answer. "
	check := func(text string, parts ...string) error {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				return fmt.Errorf("%s\nwant %s", text, part)
			}
		}
		return nil
	}
	for _, h := range []*hub{old, h} {
		for what, ask := range map[string]func(context.Context) error{
			"Ready":  func(context.Context) error { return h.node.Ready() },
			"Status": func(ctx context.Context) error { return second(h.node.Status(ctx)) },
		} {
			if err := repeat(func(ctx context.Context) error {
				err := ask(ctx)
				if err == nil {
					return fmt.Errorf("%s finds no fault", what)
				}
				return check(err.Error(), want, counts, help)
			}); err != nil {
				t.Error(err)
			}
		}
	}
	if err := repeat(func(context.Context) error { // a leader without a majority leads for some seconds more
		if old.node.LeadsCluster() {
			return errors.New("a hub still leads")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.stop(); err != nil { // it starts again, and is no first start
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := h.options()
	last := errors.New("it says nothing")
	o.Waiting = func(text string) { // by the goroutine of Open
		// A probe of the hub that runs may take too long at first. The names of the others are known if this hub, or the one that runs, has
		// learned them before.
		if last = check(text, needed, run, help); last == nil {
			cancel()
		}
	}
	if node, err := natsnode.Open(ctx, o); err == nil {
		_ = node.Close()
		t.Fatal("a hub without a majority is a member")
	}
	if last != nil {
		t.Errorf("a hub that starts again: %v", last)
	}
}

// TestMajorityIsOneOfTheHubsThatCount, whatever the list of peers has.
func TestMajorityIsOneOfTheHubsThatCount(t *testing.T) {
	t.Parallel()
	const after = ". Start the others; if too many of them are lost for good, docs/cluster.md (After a disaster) says how to continue with the events of one hub"
	for _, test := range []struct {
		running, silent, missing []string
		says                     string
	}{
		{[]string{"a-1"}, []string{"b-2", "c-3"}, []string{"b:4248", "c:4248"}, "waiting for one of b-2, c-3: 2 of 3 hubs are needed, and no hub answers at b:4248, c:4248. Of the hubs that count, a-1 runs; b-2, c-3 do not answer" + after},
		{[]string{"a-1", "b-2"}, []string{"c-3"}, []string{"c:4248"}, "waiting until the hubs elect a leader, without c-3, and no hub answers at c:4248"},
		{[]string{"a-1", "b-2", "c-3"}, nil, nil, "waiting until the hubs elect a leader"},
		{[]string{"a-1", "b-2"}, []string{"b-9", "c-3"}, []string{"c"}, "waiting for one of b-9, c-3: 3 of 4 hubs are needed, and no hub answers at c. Of the hubs that count, a-1, b-2 run; b-9, c-3 do not answer" + after},
		{[]string{"a-1", "b-2", "c-3"}, []string{"b-9"}, nil, "waiting until the hubs elect a leader, without b-9"},
		// A hub was removed for good, and the list of peers still has its address, d: a hub there would not help.
		{[]string{"a-1"}, []string{"b-2", "c-3"}, []string{"b:4248", "c:4248", "d:4248"}, "waiting for one of b-2, c-3: 2 of 3 hubs are needed, and no hub answers at b:4248, c:4248, d:4248. Of the hubs that count, a-1 runs; b-2, c-3 do not answer" + after},
		{[]string{"a-1", "b-2"}, []string{"c-3", "c-9"}, []string{"c:4248", "d:4248"}, "waiting for one of c-3, c-9: 3 of 4 hubs are needed, and no hub answers at c:4248, d:4248. Of the hubs that count, a-1, b-2 run; c-3, c-9 do not answer" + after},
		{nil, []string{"a-9", "b-9", "c-9"}, nil, "waiting for 2 of a-9, b-9, c-9: 2 of 3 hubs are needed. Of the hubs that count, a-9, b-9, c-9 do not answer" + after},
		{[]string{"c-3"}, []string{"a-9", "b-9"}, nil, "waiting for one of a-9, b-9: 2 of 3 hubs are needed. Of the hubs that count, c-3 runs; a-9, b-9 do not answer" + after},
	} {
		if says := natsnode.WaitingForMembers(test.running, test.silent, test.missing); says != test.says {
			t.Errorf("%q run, %q do not:\n%s, want\n%s", test.running, test.silent, says, test.says)
		}
	}
}

// TestHubsThatDoNotCountAreNoMajority: a hub took two new ones in the places of lost ones for its majority, and logged that it had it again. It also took
// two of four hubs for a majority, because its list of peers has three.
func TestHubsThatDoNotCountAreNoMajority(t *testing.T) {
	for _, test := range []struct {
		others, connected []string
		want              bool
	}{
		{[]string{"b-2", "c-3"}, []string{"a-1", "b-2"}, true},
		{[]string{"b-2", "c-3"}, []string{"a-1"}, false},
		{[]string{"b-2", "c-3"}, []string{"a-1", "b-9", "c-9"}, false},
		{[]string{"b-2", "c-3"}, []string{"a-1", "b-9", "c-3"}, true},
		{[]string{"b-2", "c-3", "c-9"}, []string{"a-1", "c-9"}, false},
		{[]string{"b-2", "c-3", "c-9"}, []string{"a-1", "b-2", "c-9"}, true},
		{[]string{"b-2"}, []string{"a-1"}, false},
	} {
		if got := natsnode.Quorate(test.others, test.connected...); got != test.want {
			t.Errorf("a-1 counts with %q, and has connections with %q: %v", test.others, test.connected, got)
		}
	}
}

// TestRemovingAHubSoonAfterItsDeathSaysWhenToTryAgain: it said that the hub is running.
func TestRemovingAHubSoonAfterItsDeathSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	for ago, says := range map[time.Duration]string{
		500 * time.Millisecond:  `the hub "a-1" is running: stop it before it is removed; if it has stopped just now, try again in 10s`,
		6200 * time.Millisecond: `the hub "a-1" was heard of 6s ago, and counts as running until that is 10s: if it has stopped, try again in 4s`,
		9999 * time.Millisecond: `the hub "a-1" was heard of 9s ago, and counts as running until that is 10s: if it has stopped, try again in 1s`,
	} {
		if err := natsnode.ErrRuns("a-1", ago); err.Error() != "natsnode: "+says {
			t.Errorf("after %v: %v, want %s", ago, err, says)
		}
	}
}
