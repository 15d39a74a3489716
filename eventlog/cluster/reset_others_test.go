package cluster_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestOtherHubsTakeTheLogOfTheHubThatWasReset: an administrator resets the cluster to the log of one hub, and the others follow without
// another command.
func TestOtherHubsTakeTheLogOfTheHubThatWasReset(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ahead   []int // hubs that have messages which the other hubs do not have
		foreign int   // events in the order of another cluster that takes the place of the deleted one; 0: there is none
	}{
		"the order was deleted, and all have the same":         {},
		"the order was deleted, and the hub has more":          {ahead: []int{0}},
		"the order was deleted, and the hub has less":          {ahead: []int{1, 2}},
		"the order is another one, and all have the same":      {foreign: 20},
		"the order is another one, and the hub has less":       {ahead: []int{1, 2}, foreign: 20},
		"the order is another one, and one other hub has more": {ahead: []int{2}, foreign: 20},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, 1, inMemory)
				s.known, s.ret = 0, &eventlog.Retention{} // no hub makes the order again by itself
				defer s.trace.print(t)
				defer s.end()
				for _, h := range s.hubs {
					h.start()
				}
				s.heal()
				s.fill(6)
				time.Sleep(time.Second)
				for i := range s.hubs {
					if len(test.ahead) > 0 && !slices.Contains(test.ahead, i) {
						s.hubs[i].stop()
					}
				}
				if len(test.ahead) > 0 {
					s.fillThrough(test.ahead[0], 3)
					time.Sleep(time.Second)
				}
				for _, h := range s.hubs {
					h.kill(0)
				}
				s.order.Delete()
				if test.foreign > 0 {
					s.order = foreignOrder(t, test.foreign)
				}
				for _, h := range s.hubs {
					h.start()
				}
				time.Sleep(20 * time.Second)
				log, events, old := s.hubs[0].running(), s.hubs[0].running().Bounds().Events, s.hubs[0].running().Head()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := log.Reset(ctx); err != nil {
					t.Fatalf("Reset: %v; %+v", err, log.Details())
				}
				s.heal()
				s.fill(3)
				s.heal()
				for i, h := range s.hubs {
					l := h.running()
					if got, want := l.Bounds().Events, log.Bounds().Events; got != want || got < events+3 {
						t.Errorf("hub %s has %d events, want %d, at least %d", h.name, got, want, events+3)
					}
					if a, b := l.Details().Digest, log.Details().Digest; a != b {
						t.Errorf("hub %s has the digest %s, want %s", h.name, a, b)
					}
					if reason := s.gone(i, old); reason != eventlog.Reset {
						t.Errorf("subscribers of hub %s are told %q, want a reset", h.name, reason)
					}
				}
			})
		})
	}
}

// foreignOrder returns the order of another cluster.
func foreignOrder(t *testing.T, events int) *ordertest.Memory {
	foreign := newSim(t, 99, inMemory)
	foreign.known, foreign.ret = 0, &eventlog.Retention{}
	foreign.hubs[0].start()
	if err := foreign.hubs[0].running().Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	foreign.fillFirst(events)
	foreign.end()
	return foreign.order
}
