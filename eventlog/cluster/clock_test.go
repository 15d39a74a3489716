package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestLeaderAYearAheadLetsNothingExpire: the clock of the shared log is that of its leader. When it was a year ahead, every key and end
// expired at once, and all records that have an age were trimmed.
func TestLeaderAYearAheadLetsNothingExpire(t *testing.T) {
	ret := &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Age: time.Hour}}}
	scenario(t, plan{ret: ret}, func(s *sim) {
		time.Sleep(6 * time.Second) // so that each hub knows the clocks of the others
		key := ordertest.Sent{Topics: []string{"a/1"}, Data: "once", Key: "k"}
		first, err := s.put(0, key)
		if err != nil {
			s.Fatal(err)
		}
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"t/1"}, Data: "last", End: true}); err != nil {
			s.Fatal(err)
		}
		s.order.MoveClock(365 * 24 * time.Hour)
		s.fill(5)
		if again, err := s.put(1, key); err != nil || !again.Duplicate || again.Position != first.Position {
			s.Errorf("a key that was used a moment ago: %+v, %v; want a duplicate of %v", again, err, first)
		}
		if _, err := s.put(2, ordertest.Sent{Topics: []string{"t/1"}, Data: "too late"}); !errors.Is(err, eventlog.ErrEnded) {
			s.Errorf("a topic that ended a moment ago: %v", err)
		}
		for _, h := range s.hubs {
			a, err := h.all()
			if err != nil || len(a.Records) != 6 {
				s.Errorf("hub %s has %d of 6 records, %v", h.name, len(a.Records), err)
			}
			for i := range a.Records {
				if ahead := time.Until(a.Records[i].Time); ahead > time.Minute {
					s.Errorf("hub %s says that a record is from %v in the future", h.name, ahead)
				}
			}
		}
		s.order.MoveClock(-365 * 24 * time.Hour)
		s.fill(5)
		time.Sleep(2 * time.Hour)
		s.fill(1)
		for _, h := range s.hubs {
			if n := h.running().Bounds().Events; n > 1+2 { // the last one, and those of $tidings/cluster
				s.Errorf("two hours later hub %s still has %d records", h.name, n)
			}
		}
	})
}

// TestRecordsOfAQuietClusterGrowOld: no message moves the clock of the shared log, and records still reach their age.
func TestRecordsOfAQuietClusterGrowOld(t *testing.T) {
	ret := &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("a/**"), Age: time.Hour}}}
	scenario(t, plan{ret: ret, missing: true}, func(s *sim) {
		s.fill(5)
		for _, h := range s.hubs {
			h.kill(0)
			h.start()
		}
		s.heal()
		time.Sleep(59 * time.Minute)
		for _, h := range s.hubs {
			if a, err := h.all(); err != nil || len(a.Records) != 5 {
				s.Errorf("hub %s has %d of 5 records after 59 minutes, %v", h.name, len(a.Records), err)
			}
		}
		time.Sleep(2 * time.Minute)
		for _, h := range s.hubs {
			if _, err := h.all(); !errors.Is(err, eventlog.ErrGap) {
				s.Errorf("hub %s still has its records after an hour: %v", h.name, err)
			}
		}
	})
}

// TestFirstMessageOfAHubIsDatedByTheMiddleClock: a hub that has just been started knows the clocks of the others before it publishes. The
// leader of the shared log is a year ahead.
func TestFirstMessageOfAHubIsDatedByTheMiddleClock(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		time.Sleep(6 * time.Second)
		key := ordertest.Sent{Topics: []string{"a/1"}, Data: "once", Key: "k"}
		first, err := s.put(1, key)
		if err != nil {
			s.Fatal(err)
		}
		s.order.MoveClock(365 * 24 * time.Hour)
		s.hubs[0].kill(0)
		if _, err := s.put(1, ordertest.Sent{Topics: []string{"a/1"}, Data: "by this the hub learns the time of the shared log"}); err != nil {
			s.Fatal(err)
		}
		s.hubs[0].start()
		if err := s.hubs[0].running().Join(s.Context()); err != nil {
			s.Fatal(err)
		}
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "first"}); err != nil {
			s.Fatal(err)
		}
		if again, err := s.put(1, key); err != nil || !again.Duplicate || again.Position != first.Position {
			s.Errorf("a key that was used a moment ago: %+v, %v; want a duplicate of %v", again, err, first)
		}
		s.order.MoveClock(-365 * 24 * time.Hour)
	})
}

// TestHubsAnswerWhichTimeItIs: a hub that has just been started hears the clocks of all others at once, although they tell them every 5 s only.
func TestHubsAnswerWhichTimeItIs(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		time.Sleep(6 * time.Second)
		s.hubs[0].kill(0)
		s.hubs[0].start()
		time.Sleep(time.Second)
		if n := s.hubs[0].running().KnownClocks(); n != 2 {
			s.Errorf("after a second the hub knows the clocks of %d hubs, want 2", n)
		}
	})
}
