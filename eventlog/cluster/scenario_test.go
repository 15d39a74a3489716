package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// scenario runs three hubs in virtual time. At the end all faults are healed. The hubs must then be equal, and the history
// must keep every promise.
func scenario(t *testing.T, p plan, run func(s *sim)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, inMemory)
		s.ret = p.ret
		defer s.trace.print(t)
		defer s.end()
		for _, h := range s.hubs {
			h.start()
		}
		s.heal()
		run(s)
		s.heal()
		s.agree()
		s.compare(p)
	})
}

// lossless is the plan of a scenario in which nothing may be lost.
func lossless() plan { return plan{ret: &eventlog.Retention{}} }

// end kills all hubs.
func (s *sim) end() {
	for _, h := range s.hubs {
		h.kill(0)
	}
	s.order.Settle()
}

// put appends an event through a hub, and records it for the checker.
func (s *sim) put(hub int, e ordertest.Sent) (eventlog.Receipt, error) {
	h := s.hubs[hub]
	line := ordertest.Line{Kind: ordertest.Publish, Client: fmt.Sprint("p", hub), Hub: h.name, Start: s.rec.Now(), Sent: []ordertest.Sent{e}}
	receipts, err := h.running().Append(s.Context(), recordsOf(line.Sent))
	if line.Outcome = outcome(err); line.Outcome != ordertest.Unknown {
		line.End = s.rec.Now()
	}
	var r eventlog.Receipt
	if err == nil {
		r = receipts[0]
		line.IDs, line.Again = []string{r.String()}, []bool{r.Duplicate}
	}
	s.rec.Add(line)
	return r, err
}

// fill appends n events through all hubs in turn.
func (s *sim) fill(n int) {
	s.Helper()
	for range n {
		s.filled++
		if _, err := s.put(s.filled%len(s.hubs), ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint("fill ", s.filled)}); err != nil {
			s.Fatalf("Append: %v", err)
		}
	}
}

// gone asks a hub for all records, and returns the reason of the gap; empty if there is none.
func (s *sim) gone(hub int, after eventlog.Position) eventlog.Reason {
	s.Helper()
	_, err := s.hubs[hub].running().Read(s.Context(), eventlog.Query{Selector: eventlog.Topics("a/1"), After: after})
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		return gap.Reason
	} else if err != nil {
		s.Fatal(err)
	}
	return ""
}

func TestLeaderDiesBetweenStoreAndAck(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{AnswerLost: 1})
		began := time.Now()
		r, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "x"})
		if err != nil || time.Since(began) > time.Second {
			s.Errorf("Append returned %v, %v after %v; the hub's own tail has the answer", r, err, time.Since(began))
		}
	})
}

func TestAmbiguousAppendIsStoredOnce(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{Late: 1}) // each attempt fails, and arrives later
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "x"}); err != nil {
			s.Errorf("Append: %v", err)
		}
	})
}

func TestUnansweredAppendSaysThatItsOutcomeIsUnknown(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		time.AfterFunc(time.Nanosecond, func() { s.hubs[0].handle.Silence(true, true) })
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{Delay: time.Second})
		began := time.Now()
		_, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "x"})
		if took := time.Since(began); !errors.Is(err, cluster.ErrUnknown) || !errors.Is(err, eventlog.ErrUnknown) || took > 40*time.Second {
			s.Errorf("Append returned %v after %v, want ErrUnknown within the time for repetitions", err, took)
		}
	})
}

func TestPausedLeaderComesBack(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.hubs[0].handle.SetFaults(1, ordertest.Faults{Twice: 1}) // a paused server delivers what it had, after minutes
		for i := range 5 {
			if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(i)}); err != nil {
				s.Errorf("Append: %v", err)
			}
		}
		before := s.order.Last()
		s.order.Settle()
		if s.order.Last() < before+5 {
			s.Errorf("the order has %d messages, and had %d: nothing was stored twice", s.order.Last(), before)
		}
	})
}

func TestMinorityHubEndsItsStreams(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(3)
		for _, silence := range []struct{ to, from bool }{{true, true}, {true, false}, {false, true}} {
			s.hubs[0].handle.Silence(silence.to, silence.from)
			time.Sleep(16 * time.Second)
			log := s.hubs[0].running()
			if since := time.Since(log.Contact()); since < 15*time.Second {
				s.Errorf("silence %+v: the last contact was %v ago, want more than 15s", silence, since)
			}
			if err := log.Ready(s.Context()); !errors.Is(err, eventlog.ErrUnavailable) {
				s.Errorf("silence %+v: Ready returned %v", silence, err)
			}
			if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(silence)}); !errors.Is(err, eventlog.ErrUnavailable) {
				s.Errorf("silence %+v: Append returned %v", silence, err)
			}
			if _, err := s.put(1, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint("majority ", silence)}); err != nil {
				s.Errorf("silence %+v: another hub: %v", silence, err)
			}
			s.hubs[0].handle.Silence(false, false)
			time.Sleep(5 * time.Second)
			if err := log.Ready(s.Context()); err != nil {
				s.Errorf("5 s after silence %+v: %v", silence, err)
			}
		}
	})
}

func TestKeyAtTwoHubsAtOnce(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		for i := range 20 {
			var group sync.WaitGroup
			for hub := range s.hubs {
				group.Go(func() {
					e := ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(i), Key: fmt.Sprint(i)}
					if _, err := s.put(hub, e); err != nil {
						s.Errorf("hub %d: %v", hub, err)
					}
				})
			}
			group.Wait()
		}
	})
}

func TestEndRacesPublish(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		for i := range 20 {
			var group sync.WaitGroup
			for hub := range s.hubs {
				group.Go(func() {
					topic := fmt.Sprint("t/", i)
					_, err := s.put(hub, ordertest.Sent{Topics: []string{topic}, Data: fmt.Sprint(i, hub), End: hub == 1})
					if err != nil && !errors.Is(err, eventlog.ErrEnded) {
						s.Errorf("hub %d: %v", hub, err)
					}
				})
			}
			group.Wait()
		}
	})
}

func TestEndJustBeforeEndAge(t *testing.T) {
	ret := &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("short/**"), Age: time.Hour}}}
	scenario(t, plan{ret: ret, missing: true}, func(s *sim) {
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"short/1"}, Data: "end", End: true}); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Hour - 30*time.Second)
		s.hubs[2].kill(0) // it decides when it is back, later than the others
		if _, err := s.put(1, ordertest.Sent{Topics: []string{"short/1"}, Data: "early"}); !errors.Is(err, eventlog.ErrEnded) {
			s.Errorf("before the age of the end: %v", err)
		}
		time.Sleep(time.Minute)
		s.hubs[2].start()
		s.heal()
		if _, err := s.put(2, ordertest.Sent{Topics: []string{"short/1"}, Data: "late"}); err != nil {
			s.Errorf("after the age of the end: %v", err)
		}
	})
}

func TestNewcomerWhileTrimming(t *testing.T) {
	ret := &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("a/**"), Count: 5}}}
	scenario(t, plan{ret: ret, missing: true}, func(s *sim) {
		s.fill(40)
		s.hubs[2].wipe()
		s.order.Trim(10)
		s.hubs[2].start()
		for range 10 {
			s.order.Trim(s.order.Last() - 1)
			_, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint("while ", s.order.Last())})
			if err != nil {
				s.Error(err)
			}
		}
	})
}

func TestSettingsDiffer(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(3)
		h := s.hubs[2]
		h.stop()
		s.ret = &eventlog.Retention{Keys: 5}
		log := h.start()
		err := log.Join(s.Context())
		differs, ok := errors.AsType[*cluster.SettingsError](err)
		if !ok || differs.Hub.Keys != 5 || differs.Cluster.Keys != 1_000_000 || !strings.Contains(err.Error(), `here "keys remembered 5", there "keys remembered 1000000"`) {
			s.Fatalf("a hub with other settings joins with %v", err)
		}
		if _, err := s.put(2, ordertest.Sent{Topics: []string{"a/1"}, Data: "x"}); !errors.Is(err, eventlog.ErrUnavailable) {
			s.Errorf("it takes records: %v", err)
		}
		if err := s.hubs[0].running().SetRetention(s.Context(), s.ret); err != nil {
			s.Fatal(err)
		}
		h.kill(0)
		h.start()
		for _, h := range s.hubs {
			if err := h.running().Join(s.Context()); err != nil {
				s.Errorf("hub %s after the settings were changed: %v", h.name, err)
			}
		}
	})
}

func TestRollingUpgradeUnderLoad(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		ctx, cancel := context.WithCancel(s.Context())
		var load sync.WaitGroup
		for hub := range s.hubs {
			load.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					time.Sleep(100 * time.Millisecond)
					e := ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(hub, i), Key: fmt.Sprint(hub, i)}
					if s.hubs[hub].running() != nil {
						if _, err := s.put(hub, e); err == nil {
							continue
						}
					}
					if _, err := s.put((hub+1)%3, e); err != nil { // one retry, at another hub
						s.Errorf("event %d of hub %d: %v", i, hub, err)
					}
				}
			})
		}
		for _, h := range s.hubs {
			time.Sleep(3 * time.Second)
			h.mu.Lock()
			log := h.log
			h.log = nil // the load balancer knows first
			h.mu.Unlock()
			time.Sleep(time.Second)
			if err := log.Close(); err != nil {
				s.Error(err)
			}
			if err := h.start().Join(s.Context()); err != nil {
				s.Error(err)
			}
		}
		cancel()
		load.Wait()
	})
}

func TestClockOfTheLeaderAYearAhead(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(3)
		for _, d := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour} {
			s.order.MoveClock(d)
			s.fill(10)
			s.hubs[1].kill(0)
			s.hubs[1].start()
			s.heal()
			s.fill(10)
		}
	})
}

func TestMirrorOfAnotherCluster(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(20)
		t := s.T
		other := newSim(t, 2, inMemory)
		other.known = 0
		stranger := other.hubs[0]
		stranger.start()
		if err := stranger.running().Join(s.Context()); err != nil {
			s.Fatal(err)
		}
		for i := range 5 {
			if _, err := other.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: fmt.Sprint(i)}); err != nil {
				s.Fatal(err)
			}
		}
		other.end()
		other.order = s.order
		stranger.start()
		defer stranger.kill(0)
		time.Sleep(20 * time.Second)
		d := stranger.running().Details()
		if !strings.Contains(d.Trouble, "another cluster") || d.Joined {
			s.Errorf("a mirror of another cluster: %+v", d)
		}
		events := stranger.running().Bounds().Events
		if events < 5 {
			s.Errorf("its records were dropped: %d are left", events)
		}
	})
}

// A mirror whose records are not those of the others is found by an audit, and replaced.
func TestAuditFindsAHubThatDecidedOtherwise(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(3)
		h := s.hubs[2]
		h.mu.Lock()
		h.mirror.setLie(true) // it refuses a record that the others store
		h.mu.Unlock()
		if _, err := s.put(0, ordertest.Sent{Topics: []string{"a/1"}, Data: "disputed"}); err != nil {
			s.Fatal(err)
		}
		h.mu.Lock()
		h.mirror.setLie(false)
		h.mu.Unlock()
		time.Sleep(3 * time.Minute)
		s.fill(1)
		time.Sleep(3 * time.Minute)
		if d := h.running().Details(); d.Diverged || d.Trouble != "" {
			s.Errorf("the hub was not mended: %+v", d)
		}
		numbers := func(h *simHub) (all []uint64) {
			a, err := h.running().Read(s.Context(), eventlog.Query{Selector: eventlog.Topics("a/1"), After: eventlog.Position{Gen: h.running().Head().Gen}})
			if err != nil {
				s.Fatal(err)
			}
			for i := range a.Records {
				all = append(all, a.Records[i].Seq)
			}
			return all
		}
		if a, b := numbers(s.hubs[0]), numbers(h); !slices.Equal(a, b) {
			s.Errorf("the hubs have %v and %v", a, b)
		}
	})
}
