package cluster_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestHubThatIsReadingAMessageKeepsTheOthersFromPassingOverIt: a message is on its way to one hub when the order loses it. The two other
// hubs ask for it before the hub has it. They told their subscribers of a gap, and stored the events when their publisher repeated them. The hub that
// had the message knew the keys and passed over the repetition, so that subscribers who came from the others never got the events.
func TestHubThatIsReadingAMessageKeepsTheOthersFromPassingOverIt(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}}, func(s *sim) {
		s.fill(6)
		kept := s.order.Last()
		s.unread([]*simHub{s.hubs[0], s.hubs[2]}, keyed("once"), keyed("next"))
		s.order.Hole(kept+1, kept+1)
		s.hubs[0].handle.Silence(false, false)
		s.hubs[2].handle.Silence(false, false)
		time.Sleep(3 * time.Second)
		for _, h := range []*simHub{s.hubs[0], s.hubs[2]} {
			if d := h.running().Details(); d.Message > kept || d.Gap {
				s.Errorf("hub %s passes over a message that another hub is reading: %+v", h.name, d)
			}
		}
		s.hubs[1].handle.Silence(false, false)
		s.sent.Wait()
		s.heal()
		for hub, h := range s.hubs {
			if r, err := s.put(hub, keyed("once")); err != nil || !r.Duplicate {
				s.Errorf("hub %s: the event again: %+v, %v", h.name, r, err)
			}
			if d := h.running().Details(); d.Gap || d.Doubts > 0 {
				s.Errorf("hub %s: %+v", h.name, d)
			}
		}
	})
}

// TestHubThatTookNoMessagesBeforeTheHoleMayHaveItsMessages: a hub says that it takes no messages, as while it waits for a copy. Then it takes the next one,
// which the order loses before the two others have it. They still believed what the hub had said, and passed over the message.
func TestHubThatTookNoMessagesBeforeTheHoleMayHaveItsMessages(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}}, func(s *sim) {
		s.fill(6)
		kept := s.order.Last()
		if err := s.order.Handle().Broadcast(s.Context(), fmt.Appendf(nil, `g{"hub":"B","message":0,"first":%d}`, uint64(math.MaxUint64))); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Second)
		s.unread([]*simHub{s.hubs[0], s.hubs[2]}, keyed("once"), keyed("next"))
		s.order.Hole(kept+1, kept+1)
		s.hubs[0].handle.Silence(false, false)
		s.hubs[2].handle.Silence(false, false)
		time.Sleep(3 * time.Second)
		s.hubs[1].handle.Silence(false, false)
		s.sent.Wait()
		s.heal()
		for _, h := range s.hubs {
			if d := h.running().Details(); d.Gap || d.Doubts > 0 {
				s.Errorf("hub %s: %+v", h.name, d)
			}
		}
	})
}

// unread stores events in the order while all hubs are silenced. What the order sends to some hubs is lost; to the others it stays on its way.
func (s *sim) unread(lose []*simHub, events ...ordertest.Sent) {
	s.Helper()
	synctest.Wait() // all hubs have the messages before
	for _, h := range s.hubs {
		h.handle.Silence(false, true)
	}
	for _, e := range events {
		last := s.order.Last()
		s.sent.Go(func() { _, _ = s.put(0, e) }) // the history has the outcome
		for began := time.Now(); s.order.Last() == last; time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				s.Fatal("the event does not arrive")
			}
		}
	}
	synctest.Wait() // the events are on their way
	for _, h := range lose {
		h.handle.Cut()
	}
}

func keyed(data string) ordertest.Sent {
	return ordertest.Sent{Topics: []string{"a/1"}, Data: data, Key: data}
}

// TestMessagesThatNoHubHasAreAGap: the hubs reach the hole one after the other, while it grows, and are equal afterwards.
func TestMessagesThatNoHubHasAreAGap(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
		s.fill(6)
		before, last := s.hubs[0].running().Head(), s.order.Last()
		s.unread(s.hubs, keyed("lost 1"), keyed("lost 2"), keyed("lost 3"), keyed("kept"))
		s.order.Hole(last+1, last+1)
		s.hubs[0].handle.Silence(false, false)
		time.Sleep(3 * time.Second)
		s.order.Hole(last+1, last+2)
		s.hubs[1].handle.Silence(false, false)
		time.Sleep(3 * time.Second)
		s.order.Hole(last+1, last+3)
		s.hubs[2].handle.Silence(false, false)
		time.Sleep(5 * time.Second)
		for hub, h := range s.hubs {
			d := h.running().Details()
			if d.Message <= last+3 || !d.Gap || d.Digest != s.hubs[0].running().Details().Digest {
				s.Errorf("hub %s: %+v", h.name, d)
			}
			if reason := s.gone(hub, before); reason != eventlog.Trimmed {
				s.Errorf("hub %s tells %q, want a gap", h.name, reason)
			}
		}
		s.sent.Wait()
		s.heal()
		if r, err := s.put(1, keyed("lost 2")); err != nil || r.Duplicate {
			s.Errorf("a lost event again: %+v, %v", r, err)
		}
		s.agree()
		s.trace.agreed(s.T)
	})
}

// TestHubThatIsDownMayHaveTheMessages: the hubs that lack a message are not ready until the one that has it is back.
func TestHubThatIsDownMayHaveTheMessages(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(6)
		s.hubs[0].kill(0)
		s.hubs[2].kill(0)
		if _, err := s.put(1, keyed("once")); err != nil {
			s.Fatal(err)
		}
		last := s.order.Last()
		s.fillThrough(1, 1)
		s.hubs[1].kill(0)
		s.order.Hole(last, last)
		s.hubs[0].start()
		s.hubs[2].start()
		time.Sleep(20 * time.Second)
		for _, h := range []*simHub{s.hubs[0], s.hubs[2]} {
			if d := h.running().Details(); d.Gap || d.Joined || !strings.Contains(d.Trouble, "1 hubs that are down may have them") {
				s.Errorf("hub %s: %+v", h.name, d)
			}
		}
		s.hubs[1].start()
		s.heal()
		for hub := range s.hubs {
			if r, err := s.put(hub, keyed("once")); err != nil || !r.Duplicate {
				s.Errorf("hub %d: the event again: %+v, %v", hub, r, err)
			}
		}
		s.trace.agreed(s.T)
	})
}

// TestMessageThatWasDamagedAfterAHubReadItIsNoGap: the order returns it damaged to the other hubs, and they take a copy of that hub's log.
func TestMessageThatWasDamagedAfterAHubReadItIsNoGap(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(6)
		before := s.hubs[0].running().Head()
		s.hubs[0].kill(0)
		s.hubs[2].kill(0)
		if _, err := s.put(1, keyed("once")); err != nil {
			s.Fatal(err)
		}
		s.order.Damage(s.order.Last())
		s.hubs[0].start()
		s.hubs[2].start()
		s.heal()
		for hub, h := range s.hubs {
			if reason := s.gone(hub, before); reason != "" {
				s.Errorf("hub %s tells a gap: %q", h.name, reason)
			}
			if r, err := s.put(hub, keyed("once")); err != nil || !r.Duplicate {
				s.Errorf("hub %s: the event again: %+v, %v", h.name, r, err)
			}
		}
		s.trace.agreed(s.T)
	})
}

// TestHubThatWasRemovedComesBackWithMessagesThatTheOthersLack: the others did not wait for it. They notice at once, and not only by the next audit
// after a minute.
func TestHubThatWasRemovedComesBackWithMessagesThatTheOthersLack(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
		s.fill(6)
		all := s.hubs
		all[0].kill(0)
		all[2].kill(0)
		if _, err := s.put(1, keyed("once")); err != nil {
			s.Fatal(err)
		}
		last := s.order.Last()
		s.fillThrough(1, 1)
		all[1].kill(0)
		s.order.Hole(last, last)
		s.hubs, s.known = []*simHub{all[0], all[2]}, 2
		s.heal()
		for _, h := range s.hubs {
			if d := h.running().Details(); !d.Gap {
				s.Errorf("hub %s: %+v", h.name, d)
			}
		}
		s.hubs, s.known = all, 3
		if err := all[1].start().Join(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.fill(3)
		time.Sleep(30 * time.Second)
		s.heal()
		for hub, h := range s.hubs {
			if d := h.running().Details(); d.Gap || d.Diverged || d.Disputed {
				s.Errorf("hub %s: %+v", h.name, d)
			}
			if r, err := s.put(hub, keyed("once")); err != nil || !r.Duplicate {
				s.Errorf("hub %s: the event again: %+v, %v", h.name, r, err)
			}
		}
	})
}

// TestDamagedMessageThatIsLostBeforeAllHubsPassOverItIsOneHole: one hub passes over a damaged message. Then the order drops it, and the others pass over a
// hole. Their digests differed, so that they disputed, and one of them took a copy although all had the same records.
func TestDamagedMessageThatIsLostBeforeAllHubsPassOverItIsOneHole(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, missing: true}, func(s *sim) {
		s.fill(6)
		before, last := s.hubs[0].running().Head(), s.order.Last()
		s.unread(s.hubs, keyed("lost"), keyed("kept"))
		s.order.Damage(last + 1)
		for _, h := range s.hubs {
			h.handle.Silence(false, false)
		}
		for !slices.ContainsFunc(s.hubs, func(h *simHub) bool { return h.running().Details().Message > last }) {
			time.Sleep(time.Millisecond) // the last hub that stands before the message passes over it at once, the others try again later
		}
		s.order.Hole(last+1, last+1)
		s.sent.Wait()
		s.heal()
		for hub, h := range s.hubs {
			if d := h.running().Details(); !d.Gap {
				s.Errorf("hub %s has passed over a message: %+v", h.name, d)
			}
			if reason := s.gone(hub, before); reason == "" {
				s.Errorf("hub %s tells no gap", h.name)
			}
		}
		s.agree()
		s.trace.agreed(s.T)
	})
}

// TestNewHubTakesACopyIfTheBeginningIsDamaged: a new hub found the message damaged that begins the first generation. It began another cluster, without the
// events and keys of the others.
func TestNewHubTakesACopyIfTheBeginningIsDamaged(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		if _, err := s.put(0, keyed("once")); err != nil {
			s.Fatal(err)
		}
		before := s.hubs[0].running().Head()
		s.hubs[1].wipe()
		s.order.Damage(1)
		s.hubs[1].start()
		s.heal()
		if head := s.hubs[1].running().Head(); head.Gen != before.Gen {
			s.Errorf("the hub begins generation %s, before there was %s", head.Gen, before.Gen)
		}
		if r, err := s.put(1, keyed("once")); err != nil || !r.Duplicate {
			s.Errorf("the event again: %+v, %v", r, err)
		}
		s.trace.agreed(s.T)
	})
}

// TestHubsWithoutAGenerationPassOverWhatTheyHaveNotKept: the first messages of an order are damaged, the first one after a hub has read it, and none
// began a generation. The hub has kept nothing of it. The others waited for this hub before the first message, and it for them before the second one.
func TestHubsWithoutAGenerationPassOverWhatTheyHaveNotKept(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(1)
		messages := s.order.Messages()
		early := messages[len(messages)-1].Data
		other := newSim(s.T, 2, inMemory)
		other.ret = s.ret
		defer other.trace.print(s.T)
		defer other.end()
		order := other.order.Handle()
		if err := order.Create(s.Context(), 1); err != nil {
			s.Fatal(err)
		}
		for id := range byte(2) {
			if err := order.Publish(s.Context(), "", cluster.ID{id}, early); err != nil {
				s.Fatal(err)
			}
		}
		other.order.Damage(2)
		other.hubs[0].start()
		for other.hubs[0].running().Details().Message < 1 {
			time.Sleep(time.Millisecond)
		}
		other.order.Damage(1)
		other.hubs[1].start()
		other.hubs[2].start()
		other.heal()
		other.fill(3)
		other.agree()
		other.compare(lossless())
	})
}

// TestHubThatHasTakenACopyKeepsTheOthersFromPassingOverIt: the order is made anew without the newest message of hub A, which takes a copy of hub C, and
// stands before a hole after it. Then C loses its disk, the order drops the messages that only A has now, and B comes back from further behind. A said every
// two seconds that it takes no messages, as while it had waited for the copy, so that the others passed over its acknowledged events.
func TestHubThatHasTakenACopyKeepsTheOthersFromPassingOverIt(t *testing.T) {
	for _, later := range []time.Duration{0, time.Second} {
		t.Run(later.String(), func(t *testing.T) {
			scenario(t, plan{ret: &eventlog.Retention{}, lossy: true, missing: true}, func(s *sim) {
				a, b, c := s.hubs[0], s.hubs[1], s.hubs[2]
				s.fill(5)
				synctest.Wait()
				kept := s.order.Last()
				b.handle.Silence(false, true)
				c.handle.Silence(false, true)
				s.fillThrough(0, 1)
				a.kill(0)
				b.handle.Cut()
				c.handle.Cut()
				s.rec.Add(ordertest.Line{Kind: ordertest.Lost, Start: s.rec.Now(), After: cluster.FirstOf(kept+1) - 1})
				s.order.Delete()
				b.handle.Silence(false, false)
				c.handle.Silence(false, false)
				time.Sleep(15 * time.Second)
				s.fillThrough(2, 3)
				time.Sleep(time.Second)
				b.kill(0)
				for i := range 3 {
					if _, err := s.put(2, keyed(fmt.Sprint("kept ", i))); err != nil {
						s.Fatal(err)
					}
				}
				messages := s.order.Messages()
				last := messages[len(messages)-1]
				c.handle.Silence(false, true)
				time.Sleep(time.Second)
				for id := range byte(2) {
					if err := s.order.Handle().Publish(s.Context(), "", cluster.ID{id + 77}, last.Data); err != nil {
						s.Fatal(err)
					}
				}
				s.order.Hole(last.Seq+1, last.Seq+1)
				c.handle.Cut()
				c.handle.Silence(false, false)
				time.Sleep(time.Second)
				a.start()
				time.Sleep(5 * time.Second)
				c.wipe()
				s.order.Trim(last.Seq + 2)
				time.Sleep(35 * time.Second) // C is forgotten
				b.start()
				time.Sleep(20*time.Second + later)
				c.start()
				s.heal()
				for hub := range s.hubs {
					for i := range 3 {
						if r, err := s.put(hub, keyed(fmt.Sprint("kept ", i))); err != nil || !r.Duplicate {
							s.Errorf("hub %s: the event again: %+v, %v", s.hubs[hub].name, r, err)
						}
					}
				}
			})
		})
	}
}

// TestOrderMayEndWithAHole: the order has lost its newest messages, and those before them are damaged. The hubs waited for a message that never comes
// while they looked for the beginning of a generation.
func TestOrderMayEndWithAHole(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true, missing: true}, func(s *sim) {
		s.fill(30)
		last := s.order.Last()
		s.lost(last - 8)
		s.order.Hole(last-7, last-1)
		s.order.Lose(1, false)
		began := time.Now()
		s.heal()
		if took := time.Since(began); took > 10*time.Second {
			s.Errorf("the hubs need %v", took)
		}
		s.fill(3)
	})
}
