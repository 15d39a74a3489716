package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// A process may end before or after any change of its mirror. Each run ends it at another one.
func TestFollowerKilledAtEachStep(t *testing.T) {
	for step := range 40 {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
				h := s.hubs[0]
				h.kill(0)
				h.mu.Lock()
				h.mirror.ending = &ending{changes: step / 2, before: step%2 == 0}
				h.mu.Unlock()
				h.start()
				for i := range 4 {
					for j := range 5 {
						_, _ = s.put(1+i%2, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(i, j), Key: fmt.Sprint(i, j)}) // may be lost below
					}
					if i%2 == 0 {
						s.order.Lose(2, i == 0)
						s.lost(s.order.Last())
					}
					time.Sleep(5 * time.Second)
					s.revive()
				}
			})
		})
	}
}

func TestAllPowerLost(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(30)
		for i, h := range s.hubs {
			h.kill(1 + 5*i) // records that were not on disk are lost
		}
		for _, h := range s.hubs {
			h.start()
		}
		s.heal()
		s.fill(3)
	})
}

func TestOneDiskLostAndReplaced(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}}, func(s *sim) {
		for _, trim := range []bool{false, true} {
			s.fill(30)
			s.hubs[0].wipe()
			if trim {
				s.order.Trim(s.order.Last() - 2) // only other hubs have the messages
			}
			s.hubs[0].start()
			s.heal()
			s.fill(3)
		}
	})
}

func TestMirrorRestoredFromYesterday(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		for _, trim := range []bool{false, true} {
			s.fill(40)
			s.hubs[1].kill(30)
			if trim {
				s.order.Trim(s.order.Last() - 2)
			}
			s.hubs[1].start()
			s.heal()
			s.fill(3)
		}
	})
}

func TestOrderRestoredFromYesterday(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
		s.fill(50)
		saved, kept := s.order.Save(), s.order.Last()
		s.fill(33)
		lost := s.hubs[0].running().Head()
		for _, h := range s.hubs {
			h.stop()
		}
		s.lost(kept)
		s.order.Restore(saved)
		for _, h := range s.hubs {
			h.start()
		}
		s.heal()
		s.fill(3)
		if reason := s.gone(0, lost); reason != eventlog.Reset {
			s.Errorf("a subscriber with a lost position is told %q, want a reset", reason)
		}
	})
}

func TestStreamDeletedByHand(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
		s.fill(20)
		before := s.hubs[0].running().Head()
		last := s.order.Last()
		s.order.Delete()
		time.Sleep(30 * time.Second)
		s.heal()
		s.lost(last)
		if first := s.order.Created()[1]; first != last+1 {
			s.Errorf("the new order begins with message %d, want %d: nothing is lost", first, last+1)
		}
		if reason := s.gone(0, before); reason != eventlog.Reset {
			s.Errorf("subscribers are told %q, want a reset", reason)
		}
		s.fill(3)
		if got := s.hubs[2].running().Bounds().Events; got < 23 {
			s.Errorf("there are %d records, want all", got)
		}
	})
}

func TestOneBitInABlock(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{Damaged: 1}) // a replica; the others are sound
		s.fill(10)
	})
}

func TestMessageDamagedEverywhereIsAGap(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
		s.fill(3)
		before := s.hubs[0].running().Head()
		s.hubs[1].kill(0)
		s.hubs[2].kill(0)
		s.hubs[0].kill(0)
		handle := s.order.Handle()
		if err := handle.Publish(s.Context(), "", cluster.ID{1}, []byte("nothing that a hub sends")); err != nil {
			s.Fatal(err)
		}
		for _, h := range s.hubs {
			h.start()
		}
		s.heal()
		s.fill(3)
		for hub := range s.hubs {
			if reason := s.gone(hub, before); reason != eventlog.Corrupt {
				s.Errorf("hub %d tells %q, want that something is damaged", hub, reason)
			}
		}
	})
}
