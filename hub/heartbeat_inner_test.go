package hub

import (
	"testing"
	"time"
	"unsafe"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// TestSilenceBeginsWithTheLastWrite, also of a subscriber with a runner: when it was looked at, a write since the last look counted as one of
// that moment, so that the next heartbeat came after almost twice the interval.
func TestSilenceBeginsWithTheLastWrite(t *testing.T) {
	t.Parallel()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(log, &Options{Heartbeat: time.Hour, WriteTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		_ = log.Close()
	}()
	s := h.shard()
	s.await(func() {
		const interval = 1000
		sub := &subscriber{shard: s, stage: waiting, group: newGroup(wanted{names: []string{"news"}}, plain), grant: new(access.Grant)}
		sub.group.beat = beatOf(interval * s.wheel.tick)
		sub.runner = &runner{sub: sub}
		sub.runner.turn.Store(1) // no goroutine takes it
		for wrote, want := range map[int64]bool{1: true, interval / 5: true, interval / 2: false, interval - 1: false} {
			sub.runner.beatAt.Store(nil)
			sub.wrote = 0
			sub.runner.wrote.Store(wrote)
			now := s.wheel.now
			s.wheel.now = interval
			s.look(sub)
			if got := sub.runner.beatAt.Load() != nil; got != want {
				t.Errorf("it wrote last in tick %d, and in tick %d a heartbeat is due: %v", wrote, interval, got)
			}
			if !want && sub.due > wrote+interval {
				t.Errorf("it wrote last in tick %d, and is looked at in tick %d", wrote, sub.due)
			}
			s.wheel.clear(sub)
			s.wheel.now = now
		}
	})
	s.members.Add(-1)
}

// TestAnIntervalCostsASubscriberNothing: it stands in the group, where it takes no room either.
func TestAnIntervalCostsASubscriberNothing(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(groupKey{}); size > 24 {
		t.Errorf("the key of a group has %d bytes", size)
	}
	if size := unsafe.Sizeof(subscriber{}); size > 384 {
		t.Errorf("a subscriber has %d bytes", size)
	}
}
