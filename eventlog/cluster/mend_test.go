package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// all asks a hub for all records of the load.
func (h *simHub) all() (eventlog.Answer, error) {
	log := h.running()
	return log.Read(h.Context(), eventlog.Query{Selector: eventlog.Topics("a/1"), After: eventlog.Position{Gen: log.Head().Gen}})
}

// TestDamagedMirrorTakesACopyOfAnotherHub: a block of a hub's mirror became unreadable, and its readers were told of a gap although two
// other hubs had everything.
func TestDamagedMirrorTakesACopyOfAnotherHub(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(20)
		s.heal() // all hubs have everything
		h := s.hubs[1]
		h.mirror.harm()
		head := h.running().Head()
		if _, err := h.all(); !errors.Is(err, eventlog.ErrUnavailable) {
			s.Errorf("a read of a damaged hub: %v, want that another hub is asked", err)
		}
		time.Sleep(5 * time.Second)
		a, err := h.all()
		if err != nil || len(a.Records) != 20 {
			s.Errorf("5 s later the hub has %d of 20 records, %v", len(a.Records), err)
		}
		if d := h.running().Details(); d.Damaged || h.running().Head() != head {
			s.Errorf("the hub was at %v, and is %+v", head, d)
		}
		s.fill(3)
	})
}

// TestHubWithAnUnreadablePlaceTakesACopyOfAnotherHub: the hub cannot even read up to where it had followed the shared log.
func TestHubWithAnUnreadablePlaceTakesACopyOfAnotherHub(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(20)
		h := s.hubs[1]
		h.kill(0)
		h.mirror.harm()
		h.start()
		s.heal()
		if a, err := h.all(); err != nil || len(a.Records) != 20 {
			s.Errorf("the hub has %d of 20 records, %v", len(a.Records), err)
		}
	})
}

// TestDamagedHubGivesNoCopy: its copy would be damaged, too.
func TestDamagedHubGivesNoCopy(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(3)
		h := s.hubs[1]
		h.mirror.harm()
		if err := h.running().Snapshot(s.Context(), s.TempDir()+"/copy"); !errors.Is(err, eventlog.ErrUnavailable) {
			s.Errorf("a damaged hub was asked for a copy: %v", err)
		}
		time.Sleep(5 * time.Second)
	})
}

// TestReadersOfTheLastDamagedHubAreToldOfAGap: no other hub runs, so there is no copy, and waiting for one has an end.
func TestReadersOfTheLastDamagedHubAreToldOfAGap(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(3)
		s.heal()
		s.hubs[0].kill(0)
		s.hubs[2].kill(0)
		h := s.hubs[1]
		h.mirror.harm()
		if _, err := h.all(); !errors.Is(err, eventlog.ErrUnavailable) {
			s.Errorf("at first: %v, want that the reader waits", err)
		}
		time.Sleep(2 * time.Minute)
		gap, ok := errors.AsType[*eventlog.GapError](func() error { _, err := h.all(); return err }())
		if !ok || gap.Reason != eventlog.Corrupt {
			s.Errorf("after two minutes: %v, want a gap", gap)
		}
		s.hubs[0].start()
		s.hubs[2].start()
		time.Sleep(11 * time.Minute)
		if a, err := h.all(); err != nil || len(a.Records) != 3 {
			s.Errorf("once the others are back the hub has %d of 3 records, %v", len(a.Records), err)
		}
	})
}

// TestCopyOfAnotherHubIsCounted: readers of the mirror get no gap for records that only the copy has, so they have to know of it.
func TestCopyOfAnotherHubIsCounted(t *testing.T) {
	scenario(t, lossless(), func(s *sim) {
		s.fill(20)
		h := s.hubs[1]
		if n := h.running().Copies(); n != 0 {
			s.Errorf("the hub has taken %d copies", n)
		}
		h.mirror.harm()
		_, _ = h.all() // finds the damage
		s.heal()
		if n := h.running().Copies(); n != 1 {
			s.Errorf("the hub has taken %d copies, want 1", n)
		}
	})
}
