package hub

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/access"
)

// TestAStreamThatIsBehindEndsWithItsToken: one that takes a little now and then was looked at after WriteTimeout only, counted anew each
// time, so that it read on for as long as it liked.
func TestAStreamThatIsBehindEndsWithItsToken(t *testing.T) {
	for name, step := range map[string]func(*shard, *subscriber){
		"halted": func(s *shard, sub *subscriber) {
			sub.end = s.wheel.now + 1
			s.halt(sub)
			if sub.due > sub.end {
				t.Errorf("it is looked at in tick %d, and its token ends in %d", sub.due, sub.end)
			}
			s.wheel.now = sub.end
			s.look(sub)
		},
		"given back":          func(s *shard, sub *subscriber) { s.replayed(sub, midway) },
		"takes a little more": func(s *shard, sub *subscriber) { sub.stage = stalled; s.ready(sub, true, false) },
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := innerHub(t, &Options{WriteTimeout: time.Hour})
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pair[1])
			sub := &subscriber{shard: h.shard(), group: newGroup(wanted{[]string{"news"}, nil}, plain), fd: int32(pair[0]), slot: -1, grant: new(access.Grant)}
			if err := h.enter(sub.from, sub.grant); err != nil {
				t.Fatal(err)
			}
			sub.shard.await(func() {
				s := sub.shard
				sub.stage, sub.end, sub.cursor = catching, max(s.wheel.now, 1), &cursor{hub: h, group: sub.group}
				s.wheel.now = sub.end
				sub.group.members++
				s.groups[sub.group.key()] = sub.group
				s.interest.add(sub.group)
				if err := s.poller.add(sub); err != nil {
					t.Error(err)
					return
				}
				step(s, sub)
				if sub.stage != closed {
					t.Errorf("it is %v", sub.stage)
				}
			})
			if n := h.Closed("expired"); n != 1 {
				t.Errorf("%d have expired", n)
			}
		})
	}
}
