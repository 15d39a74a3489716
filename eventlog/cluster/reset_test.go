package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

func TestResetContinuesWithTheLogOfTheHub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, inMemory)
		s.known, s.ret = 0, &eventlog.Retention{} // the number of hubs is not known, so that no hub makes the order again by itself
		defer s.end()
		s.hubs[0].start()
		if err := s.hubs[0].running().Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		log, before := s.hubs[0].running(), s.hubs[0].running().Head()
		if err := log.Reset(t.Context()); !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("Reset of a sound cluster: %v", err)
		}
		s.order.Delete()
		time.Sleep(time.Minute)
		if d := log.Details(); !strings.Contains(d.Trouble, "no contact") || s.order.Last() != 0 {
			t.Errorf("without an administrator: %+v", d)
		}
		if err := log.Reset(t.Context()); err != nil {
			t.Fatalf("Reset: %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "after"}); err != nil {
			t.Errorf("after Reset: %v", err)
		}
		if reason := s.gone(0, before); reason != eventlog.Reset {
			t.Errorf("subscribers are told %q, want a reset", reason)
		}
		if got := log.Bounds().Events; got < 6 {
			t.Errorf("%d records are left, want all", got)
		}
	})
}

// stranger starts a hub with n events on the order of another cluster, which has others.
func stranger(t *testing.T, others, n int) (s *sim, log *cluster.Log) {
	foreign := newSim(t, 1, inMemory)
	s = newSim(t, 2, inMemory)
	for _, c := range []struct {
		*sim
		events int
	}{{foreign, others}, {s, n}} {
		c.known, c.ret = 0, &eventlog.Retention{}
		c.hubs[0].start()
		if err := c.hubs[0].running().Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.fillFirst(c.events)
		c.end()
	}
	s.order = foreign.order
	log = s.hubs[0].start()
	time.Sleep(20 * time.Second)
	if d := log.Details(); !strings.Contains(d.Trouble, "another cluster") {
		t.Fatalf("on the order of another cluster: %+v", d)
	}
	return s, log
}

// fillFirst appends n events through the first hub.
func (s *sim) fillFirst(n int) {
	s.Helper()
	for range n {
		s.filled++
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint("fill ", s.filled)}); err != nil {
			s.Fatal(err)
		}
	}
}

func TestResetTakesOverAnOrderThatHasNothingOfTheHub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := stranger(t, 20, 5)
		defer s.end()
		before, last := log.Head(), s.order.Last()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := log.Reset(ctx); err != nil {
			t.Fatalf("Reset: %v; %+v", err, log.Details())
		}
		time.Sleep(10 * time.Second)
		s.fillFirst(3)
		if head := log.Head(); head.Seq <= cluster.FirstOf(last) || head.Gen == before.Gen {
			t.Errorf("the head is %v, want a new generation after message %d", head, last)
		}
		if reason := s.gone(0, before); reason != eventlog.Reset {
			t.Errorf("subscribers are told %q, want a reset", reason)
		}
	})
}

func TestResetRefusesAnOrderThatHasGivenTheNumbersOfTheHub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := stranger(t, 5, 20)
		defer s.end()
		before, bounds := log.Head(), log.Bounds()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := log.Reset(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "delete the shared log") {
			t.Errorf("Reset: %v, want that the shared log is to be deleted", err)
		}
		if log.Head() != before || log.Bounds() != bounds {
			t.Errorf("the log has changed from %v, %+v to %v, %+v", before, bounds, log.Head(), log.Bounds())
		}
		s.order.Delete()
		if err := log.Reset(t.Context()); err != nil {
			t.Errorf("Reset after the order was deleted: %v", err)
		}
		time.Sleep(10 * time.Second)
		s.fillFirst(1)
		if got := log.Bounds().Events; got <= bounds.Events {
			t.Errorf("%d records are left of %d, want all", got, bounds.Events)
		}
	})
}
