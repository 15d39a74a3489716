//go:build soak

package natsnode_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestFiveHubsOfWhichThreeStoreTheLog: two of the three were down, and no message named them. Then the cluster had no majority, and the message was that of an
// outage, although events were stored.
func TestFiveHubsOfWhichThreeStoreTheLog(t *testing.T) {
	c := newHubs(t, "a", "b", "c", "d", "e")
	var storing, others []*hub // the leader is the first
	if err := repeat(func(context.Context) error {
		storing, others = nil, nil
		for _, h := range c.hubs {
			switch {
			case !h.node.HasStream():
				others = append(others, h)
			case h.node.Leads():
				storing = slices.Insert(storing, 0, h)
			default:
				storing = append(storing, h)
			}
		}
		if len(storing) != 3 { // all hubs learn of it in a moment
			return fmt.Errorf("%d hubs store the log", len(storing))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	names := func(hubs ...*hub) string {
		var names []string
		for _, h := range hubs {
			names = append(names, h.node.Name())
		}
		slices.Sort(names)
		return strings.Join(names, ", ")
	}
	says := func(h *hub, parts ...string) {
		t.Helper()
		if err := repeat(func(context.Context) error {
			err := h.node.Ready()
			for _, part := range parts {
				if err == nil || !strings.Contains(err.Error(), part) {
					return fmt.Errorf("%s: %w\nwant %s", h.name, err, part)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	down := storing[1:]
	for _, h := range down {
		h.die()
	}
	for _, h := range []*hub{storing[0], others[0]} {
		says(h, "the majority of the hubs that store the shared log, and nothing can be published at it: waiting for one of "+names(down...)+": 2 of 3 hubs are needed, and no hub answers at ",
			". Of the hubs that store the shared log, "+names(storing[0])+" runs; "+names(down...)+" do not answer. ")
		if err := repeat(func(ctx context.Context) error {
			status, err := h.node.Status(ctx)
			var stores []string
			for _, p := range status.Peers {
				if p.Stores {
					stores = append(stores, p.Name)
				}
			}
			slices.Sort(stores)
			if got := strings.Join(stores, ", "); err == nil && (got != names(storing...) || !strings.Contains(status.Trouble, names(down...)+" do not answer. ")) {
				err = fmt.Errorf("%s store the log; %s", got, status.Trouble)
			}
			return err
		}); err != nil {
			t.Errorf("the status of %s: %v", h.name, err)
		}
	}
	c.network.Heal()
	for _, h := range c.hubs {
		if err := h.ready(); err != nil {
			t.Fatal(err)
		}
	}
	down = append(others[:2:2], storing[2])
	for _, h := range down {
		h.die()
	}
	says(storing[0], "the majority of its cluster, and events can still be published: waiting for one of "+names(down...)+": 3 of 5 hubs are needed, ",
		". Of the hubs that store the shared log, "+names(storing[:2]...)+" run; "+names(storing[2])+" does not answer. ")
	if err := storing[1].publish(newID(), "without a majority of the cluster"); err != nil {
		t.Error(err)
	}
	if err := storing[0].node.Ready(); err == nil {
		t.Error("the cluster has its majority")
	}
	c.network.Heal() // to stop
}
