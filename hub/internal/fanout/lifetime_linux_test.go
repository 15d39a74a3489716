package fanout

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStreamThatIsBehindEndsWithItsToken: a slow client that accepts a few bytes now and then restarts WriteTimeout each time. The end of its
// token must not wait for that timeout.
func TestStreamThatIsBehindEndsWithItsToken(t *testing.T) {
	for name, step := range map[string]func(*shard, *direct){
		"stalled": func(s *shard, d *direct) {
			d.end = s.wheel.now + 1
			d.awaitWritable()
			if d.due > d.end {
				t.Errorf("the next check is in tick %d, and the token ends in tick %d", d.due, d.end)
			}
			s.wheel.now = d.end
			s.due(&d.subscriber)
		},
		"given back":          func(_ *shard, d *direct) { d.replayed(midway) },
		"takes a little more": func(_ *shard, d *direct) { d.stage = stalled; d.ready(false, true) },
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := start(t, func(o *Options) { o.WriteTimeout = time.Hour })
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pair[1])
			d := directOf(t, f, subscription(), int32(pair[0]))
			s := d.shard
			s.await(func() {
				d.stage, d.end = catching, max(s.wheel.now, 1)
				s.wheel.now = d.end
				d.group.members++
				s.groups[d.group.key] = d.group
				s.interest.add(d.group)
				if d.slot, err = s.poller.add(&d.subscriber, d.fd); err != nil {
					t.Error(err)
					return
				}
				step(s, d)
				if d.stage != closed {
					t.Errorf("the stage is %v, want closed", d.stage)
				}
			})
			if n := f.Counts().Closed[Expired]; n != 1 {
				t.Errorf("%d streams have ended with the reason Expired, want 1", n)
			}
		})
	}
}
