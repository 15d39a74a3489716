package cluster_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// TestEmptyHubKeepsNoHubFromPassingOverADamagedMessage: all hubs are restarted, and one has lost its disk. The others stand before a damaged message, which
// the empty hub has not come to. They waited for the empty hub, and it waited for a copy of theirs, which only hubs give that have joined.
func TestEmptyHubKeepsNoHubFromPassingOverADamagedMessage(t *testing.T) {
	for name, kept := range map[string]uint64{"the order begins with it": 0, "the order begins before it": 2} {
		for damaged := 1; damaged <= 3; damaged++ {
			t.Run(fmt.Sprint(name, " ", damaged), func(t *testing.T) {
				scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
					s.fill(5)
					s.heal()
					before := s.hubs[0].running().Head()
					last := s.restartBefore(damaged, s.hubs[2])
					s.order.Trim(last - kept)
					s.heal()
					for hub, h := range s.hubs {
						if d := h.running().Details(); d.Generation != before.Gen || d.Doubts > 0 {
							s.Errorf("hub %s: %+v", h.name, d)
						}
						if reason := s.gone(hub, before); reason == "" {
							s.Errorf("hub %s tells no gap", h.name)
						}
					}
					s.fill(3)
				})
			})
		}
	}
}

// TestHubThatIsBehindKeepsNoHubFromPassingOverADamagedMessage: the order begins with the next message of a hub, and this message was damaged after the others
// had read it. They stand before a later one.
func TestHubThatIsBehindKeepsNoHubFromPassingOverADamagedMessage(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
		s.fill(5)
		s.heal()
		behind := s.order.Last()
		s.hubs[2].kill(0)
		s.fillThrough(0, 2)
		synctest.Wait()
		s.restartBefore(1)
		s.order.Damage(behind + 1)
		s.order.Trim(behind + 1)
		s.heal()
		for _, h := range s.hubs {
			if d := h.running().Details(); d.Doubts > 0 {
				s.Errorf("hub %s: %+v", h.name, d)
			}
		}
		s.fill(3)
	})
}

// restartBefore ends all hubs, wipes some of them, and stores damaged messages. It returns the last message before those.
func (s *sim) restartBefore(damaged int, wiped ...*simHub) uint64 {
	s.Helper()
	for _, h := range s.hubs {
		h.kill(0)
	}
	for _, h := range wiped {
		h.wipe()
	}
	last := s.order.Last()
	for i := range damaged {
		if err := s.order.Handle().Publish(s.Context(), "", cluster.ID{9, byte(i)}, []byte("no frame")); err != nil {
			s.Fatal(err)
		}
	}
	return last
}

// TestHubsThatComeToDamagedMessagesOneAfterTheOtherDoNotWaitForEachOther: a hub passes over the first damaged message and stands before the next one. A hub
// that still stood before the first one took this for the message, and waited for a copy.
func TestHubsThatComeToDamagedMessagesOneAfterTheOtherDoNotWaitForEachOther(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
		s.fill(5)
		if _, err := s.put(0, keyed("once")); err != nil {
			s.Fatal(err)
		}
		messages := s.order.Messages()
		readable := messages[len(messages)-1].Data // again, with the same key
		s.heal()
		s.order.Trim(s.restartBefore(1, s.hubs[2]))
		for i, data := range [][]byte{readable, []byte("no frame"), readable, []byte("no frame")} {
			if err := s.order.Handle().Publish(s.Context(), "", cluster.ID{8, byte(i)}, data); err != nil {
				s.Fatal(err)
			}
		}
		s.heal()
		s.fill(3)
	})
}

// TestHubThatWasAloneBringsItsEventsAlthoughItsOrderBeginsWithADamagedMessage: the other hubs run from the start. They waited for a copy of the hub's log, and
// it for them.
func TestHubThatWasAloneBringsItsEventsAlthoughItsOrderBeginsWithADamagedMessage(t *testing.T) {
	for damaged := 1; damaged <= 3; damaged++ {
		t.Run(fmt.Sprint(damaged), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, 1, inMemory)
				defer s.trace.print(t)
				defer s.end()
				const events = 3
				s.alone(s.hubs[0], events)
				s.damagedStart(2, damaged)
				s.heal()
				s.haveOld(events)
				s.fill(3)
				s.agree()
			})
		})
	}
}
