package fanout

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestPauseLastsAtMostHalfAsLongAsItsPass, and at most 5 ms, so that a pause delays deliveries little.
func TestPauseLastsAtMostHalfAsLongAsItsPass(t *testing.T) {
	for _, test := range []struct{ pass, pause time.Duration }{
		{0, 0},
		{20 * time.Microsecond, 0},
		{5 * time.Millisecond, 2500 * time.Microsecond},
		{time.Second, 5 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			var r pause
			defer r.begin().Stop()
			<-r.timer.C
			began := time.Now()
			r.after(test.pass)
			if r.on() != (test.pause > 0) {
				t.Fatalf("after a pass of %v: pause is %v", test.pass, r.on())
			}
			if test.pause == 0 {
				return
			}
			<-r.timer.C
			if took := time.Since(began); took != test.pause || r.on() {
				t.Errorf("after a pass of %v the pause took %v, want %v; still pausing: %v", test.pass, took, test.pause, r.on())
			}
		})
	}
}

// TestEventsThatArriveDuringAPauseAreSentTogether: without a pause, each append would cost a pass over all subscribers.
func TestEventsThatArriveDuringAPauseAreSentTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := start(t)
		publish := func() {
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
			synctest.Wait()
		}
		passes := func() (n uint64) {
			for _, s := range f.shards {
				s.await(func() { n += s.pass })
			}
			return n
		}
		shards := uint64(len(f.shards))
		publish()
		publish()
		if n := passes(); n != 2*shards {
			t.Fatalf("%d passes in %d shards for two events that come apart", n, shards)
		}
		for _, s := range f.shards {
			s.await(func() { s.pause.after(4 * time.Millisecond) })
		}
		for range 100 {
			publish()
		}
		if n := passes(); n != 2*shards {
			t.Errorf("%d passes in %d shards before the pause was over", n, shards)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := passes(); n != 3*shards {
			t.Errorf("%d passes in %d shards; 100 events that came during a pause have to leave in one", n, shards)
		}
		for _, s := range f.shards {
			s.await(func() {
				if s.at != log.Head() {
					t.Errorf("a shard is at %v after its pause, and the log at %v", s.at, log.Head())
				}
			})
		}
	})
}
