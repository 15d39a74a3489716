package cluster_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestHubThatMissedALossGoesBackAtOnce: the order lost the newest message of a hub and got new ones while the hub was not looking. No message
// of the others names the number of the lost one, and the newest message of the hub is one of the order. Most hubs missed the loss; an audit
// would have believed them, and acknowledged events of the third hub would have been lost.
func TestHubThatMissedALossGoesBackAtOnce(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
		s.fill(6)
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{Late: 1})
		var late sync.WaitGroup
		late.Go(func() {
			_, _ = s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "late"}) // sent before the loss, arrives after it
		})
		time.Sleep(time.Millisecond)
		for _, h := range s.hubs[:2] {
			h.handle.Silence(false, true) // what the order sends arrives later
		}
		kept := s.order.Last()
		s.fillThrough(2, 1)
		s.order.Lose(1, false)
		s.lost(kept)
		for s.order.Last() < kept+2 { // the third hub begins a generation, and the late message arrives
			time.Sleep(time.Millisecond)
		}
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{})
		s.fillThrough(2, 1)
		for _, h := range s.hubs[:2] {
			h.handle.Silence(false, false)
		}
		s.fillThrough(2, 1)
		time.Sleep(3 * time.Second)
		late.Wait()
		for _, h := range s.hubs {
			if got, want := h.running().Head().Gen, s.hubs[2].running().Head().Gen; got != want {
				s.Errorf("hub %s has generation %s, want %s", h.name, got, want)
			}
		}
	})
}

// fillThrough appends n events through one hub.
func (s *sim) fillThrough(hub, n int) {
	s.Helper()
	for range n {
		s.filled++
		if _, err := s.put(hub, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint("fill ", s.filled)}); err != nil {
			s.Fatal(err)
		}
	}
}

// TestDisputeAboutALostMessageIsOver: the hubs dispute about a message, and the order loses it. A hub would have counted the votes of others
// for it, but not its own, which came later, and would have given up its log.
func TestDisputeAboutALostMessageIsOver(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
		s.fill(10)
		kept := s.order.Last()
		liar := s.hubs[2]
		liar.mirror.setLie(true)
		s.fillThrough(0, 1)
		for liar.running().Details().Message < s.order.Last() { // the liar may take the message later than the others
			time.Sleep(time.Millisecond)
		}
		liar.mirror.setLie(false)
		liar.handle.Silence(true, false)
		for !liar.running().Details().Disputed { // after an audit by another hub, which may be minutes away
			time.Sleep(100 * time.Millisecond)
		}
		liar.handle.Silence(false, false)
		for !s.hubs[0].running().Details().Disputed { // by the vote of the liar
			time.Sleep(time.Millisecond)
		}
		s.order.Lose(int(s.order.Last()-kept), false)
		s.lost(kept)
		time.Sleep(40 * time.Second)
		for _, h := range s.hubs {
			if d := h.running().Details(); d.Changes != 1 { // the loss is the only one
				s.Errorf("hub %s gives up its log: %+v", h.name, d)
			}
		}
	})
}

// TestMessageOfAnOldOrderIsNotStoredInANewOne: a message is in the order, and in the mirrors. The order is deleted, and a hub makes it again.
// Then a copy of the message arrives, which was under way. The new order does not know its identifier.
func TestMessageOfAnOldOrderIsNotStoredInANewOne(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
		s.fill(5)
		messages := s.order.Messages()
		last := messages[len(messages)-1]
		s.order.Delete()
		time.Sleep(10 * time.Second)
		s.heal()
		s.lost(last.Seq)
		if err := s.order.Handle().Publish(s.Context(), "", last.ID, last.Data); err != nil {
			s.Fatal(err)
		}
		s.fill(1)
	})
}

// TestLateMessageIsNotStoredInAnOrderThatHasNotBegun: the same, and the copy arrives after a hub has made the order again, and before it has said
// in the order after which message this continues. Mirrors took the copy for a new message.
func TestLateMessageIsNotStoredInAnOrderThatHasNotBegun(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
		s.fill(5)
		messages := s.order.Messages()
		last := messages[len(messages)-1]
		late := s.order.Handle()
		b, err := late.Bounds(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for i, h := range s.hubs {
			h.handle.SetFaults(uint64(i), ordertest.Faults{Delay: 200 * time.Millisecond})
		}
		s.order.Delete()
		for len(s.order.Created()) < 2 {
			time.Sleep(time.Millisecond)
		}
		if n := len(s.order.Messages()); n > 0 {
			s.Fatalf("the new order has %d messages already", n)
		}
		if err := late.Publish(s.Context(), b.Identity, last.ID, last.Data); !errors.Is(err, cluster.ErrReplaced) {
			s.Errorf("the new order takes a message that was for the old one: %v", err)
		}
		time.Sleep(10 * time.Second)
		s.heal()
		s.lost(last.Seq)
		s.fill(1)
	})
}

// TestHubThatIsCutOffWhileItGoesBackGoesBackLater: a generation begins, and a hub finds that it missed a loss before it. The connection breaks
// again and again while it compares and goes back. A hub forgot what it had found, and began the generation with a lost message.
func TestHubThatIsCutOffWhileItGoesBackGoesBackLater(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			scenario(t, plan{ret: &eventlog.Retention{}, lossy: true}, func(s *sim) {
				s.fill(6)
				for _, h := range s.hubs[:2] {
					h.handle.Silence(false, true) // what the order sends arrives later
				}
				s.hubs[1].handle.SetFaults(1, ordertest.Faults{Late: 1})
				var late sync.WaitGroup
				for i := range 2 {
					late.Go(func() {
						_, _ = s.put(1, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint("late ", i)}) // sent before the loss, arrives after it
					})
					time.Sleep(time.Millisecond)
				}
				kept := s.order.Last()
				s.fillThrough(2, 1)
				s.hubs[2].kill(0)
				s.order.Lose(1, false)
				s.lost(kept)
				for s.order.Last() < kept+2 {
					time.Sleep(time.Millisecond)
				}
				s.hubs[1].handle.SetFaults(1, ordertest.Faults{})
				s.hubs[2].start()
				for s.order.Last() < kept+3 { // it begins a generation
					time.Sleep(time.Millisecond)
				}
				for i, h := range s.hubs[:2] {
					h.handle.SetFaults(seed+uint64(100*i), ordertest.Faults{Cut: 0.1})
					h.handle.Silence(false, false)
				}
				time.Sleep(5 * time.Second)
				for _, h := range s.hubs[:2] {
					h.handle.SetFaults(1, ordertest.Faults{})
				}
				time.Sleep(5 * time.Second)
				late.Wait()
				if d := s.hubs[2].running().Details(); d.Changes != 1 {
					s.Errorf("%d generations have begun, want one for the loss", d.Changes)
				}
			})
		})
	}
}

// TestOutcomeIsUnknownIfAnOldOrderMayHaveTheMessage: a hub sends a message, does not see it come back, and replaces its log by that of another
// hub, which has it. The new order gets a copy, which the mirrors pass over. The hub must not send the events again.
func TestOutcomeIsUnknownIfAnOldOrderMayHaveTheMessage(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true, missing: true}, func(s *sim) {
		s.fill(5)
		s.hubs[2].handle.Silence(false, true)
		var sent sync.WaitGroup
		sent.Go(func() {
			if _, err := s.put(2, ordertest.Sent{Topics: []string{"a/1"}, Data: "once"}); !errors.Is(err, cluster.ErrUnknown) {
				s.Errorf("Append: %v, want that the outcome is not known", err)
			}
		})
		time.Sleep(time.Millisecond)
		messages := s.order.Messages()
		last := messages[len(messages)-1]
		s.order.Delete()
		s.hubs[2].handle.Cut() // what was on its way to the hub is lost
		s.hubs[2].handle.Silence(false, false)
		for s.order.Last() <= last.Seq {
			time.Sleep(time.Millisecond)
		}
		s.lost(last.Seq)
		time.Sleep(5 * time.Second) // the hub replaces its log
		if err := s.order.Handle().Publish(s.Context(), "", last.ID, last.Data); err != nil {
			s.Fatal(err)
		}
		sent.Wait()
	})
}

// TestHubFindsItsClusterInANewOrderWithoutTheLastMessage: the order is deleted while the only hub with the newest message is down. Another hub makes
// it again, and a third one, which has a copy of that hub's log, begins the generation. It does not know after which message the order continues, and
// the first hub took the order for that of another cluster.
func TestHubFindsItsClusterInANewOrderWithoutTheLastMessage(t *testing.T) {
	scenario(t, plan{ret: &eventlog.Retention{}, lossy: true, missing: true}, func(s *sim) {
		s.fill(6)
		synctest.Wait()
		behind, ahead, maker := s.hubs[0], s.hubs[1], s.hubs[2]
		behind.handle.Silence(false, true)
		s.fillThrough(2, 1)
		maker.handle.Silence(false, true)
		kept := s.order.Last()
		s.fillThrough(1, 1)
		messages := s.order.Messages()
		ahead.kill(0)
		s.rec.Add(ordertest.Line{Kind: ordertest.Lost, Start: s.rec.Now(), After: cluster.FirstOf(kept+1) - 1})
		s.order.Delete()
		for _, h := range []*simHub{behind, maker} {
			h.handle.Cut()
			h.handle.Silence(false, false)
		}
		time.Sleep(2500 * time.Millisecond) // the maker has heard twice that the other one finds no order
		behind.handle.Silence(false, true)
		for len(s.order.Created()) < 2 {
			time.Sleep(time.Millisecond)
		}
		maker.handle.Silence(true, false) // so that it begins no generation
		if err := s.order.Handle().Publish(s.Context(), "", cluster.ID{1}, messages[len(messages)-1].Data); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Second)
		behind.handle.Cut()
		behind.handle.Silence(false, false)
		time.Sleep(10 * time.Second)
		maker.handle.Silence(false, false)
		ahead.start()
		time.Sleep(20 * time.Second)
		if d := ahead.running().Details(); d.Trouble != "" {
			s.Errorf("the hub that was down: %+v", d)
		}
	})
}
