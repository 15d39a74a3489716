package cluster_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// firstSteps is how many changes a mirror makes at most when its first generation begins after messages that were passed over.
const firstSteps = 5

// damagedStart makes the order, with n damaged messages from number first on.
func (s *sim) damagedStart(first uint64, n int) {
	s.Helper()
	order := s.order.Handle()
	if err := order.Create(s.Context(), first); err != nil {
		s.Fatal(err)
	}
	for i := range n {
		if err := order.Publish(s.Context(), "", cluster.ID{byte(i)}, []byte("no frame")); err != nil {
			s.Fatal(err)
		}
	}
}

// killAt starts hubs and waits until each process has ended at a step: before or after a change of its mirror. A hub that takes a copy meanwhile does not
// come there.
func (s *sim) killAt(step int, hubs ...*simHub) {
	s.Helper()
	for _, h := range hubs {
		h.mu.Lock()
		h.mirror.ending = &ending{changes: step / 2, before: step%2 == 0}
		h.mu.Unlock()
		h.start()
	}
	for _, h := range hubs {
		for began := time.Now(); !h.mirrorDead() && h.running().Copies() == 0; time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				s.Fatalf("hub %s does not come to step %d: %+v", h.name, step, h.running().Details())
			}
		}
		h.kill(0)
	}
}

// TestHubThatIsKilledWhileItPassesOverMessagesGoesOn: the order begins with damaged messages, and a hub is killed at each step at which it passes over them
// and begins its first generation. It was refused as a hub alone if it had skipped their numbers and had no record yet.
func TestHubThatIsKilledWhileItPassesOverMessagesGoesOn(t *testing.T) {
	for name, killed := range map[string]int{"one hub": 1, "all hubs": 3} {
		for step := range 2 * firstSteps {
			t.Run(fmt.Sprint(name, " ", step), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSim(t, 1, inMemory)
					defer s.trace.print(t)
					defer s.end()
					s.damagedStart(1, 2)
					for _, h := range s.hubs[killed:] {
						h.start()
					}
					s.killAt(step, s.hubs[:killed]...)
					s.heal()
					s.fill(3)
					for hub, h := range s.hubs {
						if reason := s.gone(hub, eventlog.Position{Gen: h.running().Head().Gen}); reason != eventlog.Trimmed {
							s.Errorf("hub %s tells %q, want a gap at the beginning", h.name, reason)
						}
					}
					s.agree()
					s.compare(lossless())
				})
			})
		}
	}
}

// TestHubThatWasAloneKeepsItsEventsWhereverItIsKilled: the first messages of its order are damaged. It was refused, too, if it had skipped their numbers. The
// order may lose the message that begins the generation, and the next one begins with a number that the mirror has skipped.
func TestHubThatWasAloneKeepsItsEventsWhereverItIsKilled(t *testing.T) {
	for name, open := range map[string]store{"in memory": inMemory, "on disk": onDisk} {
		for step := range 2*firstSteps - 1 {
			for _, lost := range []int{0, 2} {
				t.Run(fmt.Sprint(name, " ", step, " ", lost), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						s := newSim(t, 1, open)
						all := s.hubs
						s.hubs, s.known = all[:1], 1
						defer s.trace.print(t)
						defer s.end()
						const events = 3
						s.alone(all[0], events)
						s.damagedStart(2, 2)
						s.killAt(step, all[0])
						s.order.Lose(lost, false)
						s.restartAndJoin(all)
						s.haveOld(events)
						s.agree()
					})
				})
			}
		}
	}
}

// restartAndJoin restarts the first hub once it is through, and lets the others join it.
func (s *sim) restartAndJoin(all []*simHub) {
	s.Helper()
	s.heal()
	all[0].kill(0)
	s.heal()
	s.hubs, s.known = all, len(all)
	s.heal()
}

// haveOld expects of all hubs so many events of the log of a hub alone.
func (s *sim) haveOld(events int) {
	s.Helper()
	for _, h := range s.hubs {
		q, err := h.running().Seek(s.Context(), eventlog.Topics("old"), eventlog.Start{})
		if err != nil {
			s.Fatal(err)
		}
		if a, err := h.running().Read(s.Context(), q); err != nil || len(a.Records) != events {
			s.Errorf("hub %s has %d events, %v; want %d", h.name, len(a.Records), err, events)
		}
	}
}

// alone gives a hub the log of a hub alone.
func (s *sim) alone(h *simHub, events int) {
	s.Helper()
	if err := h.mirror.SetGeneration(s.Context(), "alone", 0); err != nil {
		s.Fatal(err)
	}
	if _, err := h.mirror.Apply(s.Context(), []eventlog.Batch{{First: 1, Time: time.Now(), Records: numbered(events)}}, nil); err != nil {
		s.Fatal(err)
	}
}

// TestHubThatHasKeptNothingReadsAnOrderAgainThatHasLostMessages: the hub has passed over the first message, and the order loses it. The hub was refused as a
// hub alone until it was started again.
func TestHubThatHasKeptNothingReadsAnOrderAgainThatHasLostMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, inMemory)
		s.hubs, s.known = s.hubs[:1], 1
		defer s.trace.print(t)
		defer s.end()
		s.damagedStart(1, 1)
		s.faults.Refused = 1 // no generation begins
		h := s.hubs[0].start()
		for range 60 {
			if h.Details().Message == 1 {
				break
			}
			time.Sleep(time.Second)
		}
		s.order.Lose(1, false)
		time.Sleep(5 * time.Second)
		s.heal()
		s.fill(3)
		s.compare(lossless())
	})
}

// TestHubThatIsKilledBeforeItsFirstGenerationTakesAnEarlierOne: a hub is killed after it has skipped messages, and the order loses the one that begins the
// generation, and some before. The next generation begins with a number that the mirror has skipped.
func TestHubThatIsKilledBeforeItsFirstGenerationTakesAnEarlierOne(t *testing.T) {
	for name, open := range map[string]store{"in memory": inMemory, "on disk": onDisk} {
		for step := range 2*firstSteps - 1 { // after the last step, the hub would have messages that the order has lost
			t.Run(fmt.Sprint(name, " ", step), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSim(t, 1, open)
					all := s.hubs
					s.hubs, s.known = all[:1], 1
					defer s.trace.print(t)
					defer s.end()
					s.damagedStart(1, 3)
					s.killAt(step, all[0])
					s.rec.Add(ordertest.Line{Kind: ordertest.Lost, After: cluster.FirstOf(2) - 1})
					s.order.Lose(3, false)
					s.restartAndJoin(all)
					s.fill(3)
					s.agree()
					s.compare(plan{ret: &eventlog.Retention{}, lossy: true, missing: true})
				})
			})
		}
	}
}
