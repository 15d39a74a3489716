package fanout

import (
	"testing"
	"time"
	"unsafe"
)

// TestSilenceBeginsWithTheLastWrite, for runners too. The wheel must count from the write, not from the moment at which it noticed the write;
// otherwise the next heartbeat comes after almost twice the interval.
func TestSilenceBeginsWithTheLastWrite(t *testing.T) {
	t.Parallel()
	f, _ := start(t, func(o *Options) { o.Heartbeat, o.WriteTimeout = time.Hour, time.Hour })
	sub := subscription()
	st := stream(t, f, sub)
	defer st.Close()
	r := st.newRunner(discard{}, nil)
	s := r.shard
	s.await(func() {
		const interval = 1000
		r.stage = live
		r.group.heartbeat = heartbeatOf(interval * s.wheel.tick)
		r.turn.Store(1) // no goroutine gives it a turn
		for wrote, want := range map[int64]bool{1: true, interval / 5: true, interval / 2: false, interval - 1: false} {
			r.heartbeatAt.Store(nil)
			r.wrote = 0
			r.wroteAt.Store(wrote)
			now := s.wheel.now
			s.wheel.now = interval
			s.due(&r.subscriber)
			if got := r.heartbeatAt.Load() != nil; got != want {
				t.Errorf("the last write was in tick %d, and in tick %d a heartbeat is due: %v", wrote, interval, got)
			}
			if !want && r.due > wrote+interval {
				t.Errorf("the last write was in tick %d, and the next check is in tick %d", wrote, r.due)
			}
			s.wheel.clear(&r.subscriber)
			s.wheel.now = now
		}
	})
	s.members.Add(-1)
}

// TestIdleSubscriberIsSmall: these structs are most of what an idle subscriber costs. The interval of heartbeats belongs to the group.
func TestIdleSubscriberIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(direct{}); size > 208 {
		t.Errorf("a direct subscriber has %d bytes", size)
	}
	if size := unsafe.Sizeof(runner{}); size > 240 {
		t.Errorf("a runner has %d bytes", size)
	}
}
