package fanout

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestEventsThatArriveTogetherLeaveInOnePass: with Options.Gather the first event waits that long, and the next ones leave with it. None waits longer.
func TestEventsThatArriveTogetherLeaveInOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = 5 * time.Millisecond
		f, log := start(t, func(o *Options) { o.Gather = wait })
		passes := func() (n uint64) {
			for _, s := range f.shards {
				s.await(func() { n += s.pass })
			}
			return n
		}
		each := uint64(len(f.shards))
		for round := range uint64(3) {
			for range 5 { // one every millisecond
				publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
				synctest.Wait()
				if n := passes(); n != round*each {
					t.Fatalf("round %d: %d passes in %d shards before the time is over", round, n, each)
				}
				time.Sleep(time.Millisecond)
			}
			synctest.Wait()
			if n := passes(); n != (round+1)*each {
				t.Fatalf("round %d: %d passes in %d shards after %v", round, n, each, wait)
			}
			for _, s := range f.shards {
				s.await(func() {
					if s.at != log.Head() {
						t.Errorf("round %d: a shard is at %v, and the log at %v", round, s.at, log.Head())
					}
				})
			}
			time.Sleep(time.Second)
		}
	})
}

// TestEventsBeyondAFullPassDoNotWaitAgain: a budget of latency must not limit how many events a hub delivers.
func TestEventsBeyondAFullPassDoNotWaitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = time.Second
		f, log := start(t, func(o *Options) { o.Gather = wait })
		for range 3*passEvents + 1 {
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
		}
		time.Sleep(wait)
		synctest.Wait()
		for _, s := range f.shards {
			s.await(func() {
				if s.at != log.Head() || s.pass < 4 {
					t.Errorf("after %v a shard is at %v after %d passes, and the log at %v", wait, s.at, s.pass, log.Head())
				}
			})
		}
	})
}

// TestDrainingDoesNotGather: a hub that stops sends its last events at once.
func TestDrainingDoesNotGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := start(t, func(o *Options) { o.Gather = time.Second })
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
		began := time.Now()
		if err := f.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took >= time.Second {
			t.Errorf("the shutdown took %v", took)
		}
	})
}
