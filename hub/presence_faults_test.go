package hub_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// link is the channel of a cluster, until it is cut.
type link struct {
	*channel
	cut atomic.Bool
}

func (l *link) Broadcast(ctx context.Context, data []byte) error {
	if l.cut.Load() {
		return nil
	}
	return l.channel.Broadcast(ctx, data)
}

// linkedLog is a log of a cluster whose hubs share only the channel.
type linkedLog struct {
	*eventlog.Memory
	*link
}

func (linkedLog) Status() eventlog.SharedStatus {
	return eventlog.SharedStatus{Message: 7, Last: 9, Contact: time.Now()}
}

// TestMembersOfAHubThatStopsOrDiesLeaveOnce: two of them come back at another hub in time, and the watchers there hear only of the third.
func TestMembersOfAHubThatStopsOrDiesLeaveOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(l *link, stop func()){
		"stops": func(_ *link, stop func()) { stop() },
		"dies": func(l *link, stop func()) {
			l.cut.Store(true) // nothing of its end is heard
			stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				shared := &channel{listeners: make(map[int]func([]byte))}
				var hubs []*bubble
				var links []*link
				var stops []func()
				for _, name := range []string{"a", "b"} {
					l := &link{channel: shared}
					o := &hub.ClusterOptions{Name: name, URL: "http://" + name, Key: clusterKey, Version: "v1", Hubs: func() int { return 2 }}
					b, stop := newBubble(t, linkedLog{mustMemory(t, nil), l}, hub.Options{Cluster: o})
					defer stop()
					hubs, links, stops = append(hubs, b), append(links, l), append(stops, stop)
				}
				a, b := hubs[0], hubs[1]
				b.pass(20 * time.Second)
				w := b.visit("watcher", "watch=room")
				for _, subject := range []string{"bob", "eve", "joe"} {
					a.visit(subject, "topic=room&present=1")
				}
				b.pass(4 * time.Second)
				if got := w.news(); got != "+bob +eve +joe" {
					t.Fatalf("the watcher hears %q", got)
				}
				end(links[0], stops[0])
				b.pass(3 * time.Second)
				b.visit("bob", "topic=room&present=1")
				b.pass(9 * time.Second)
				b.visit("eve", "topic=room&present=1")
				if got := w.news(); got != "" {
					t.Errorf("within the grace the watcher hears %q", got)
				}
				b.pass(time.Minute)
				if got := w.news(); got != "-joe" {
					t.Errorf("after the grace the watcher hears %q, want -joe", got)
				}
			})
		})
	}
}

// TestWatchersOnCompressedStreamsSeeWhoComes between events that they share with others, over every transport.
func TestWatchersOnCompressedStreamsSeeWhoComes(t *testing.T) {
	t.Parallel()
	each(t, compressing("room"), func(s *site) {
		var all []*follower
		for range 12 { // enough to share a compressor
			f := s.follow("/events/room?watch=room", nil)
			if !f.resp.Uncompressed {
				s.Fatalf("the stream is not compressed: %v", f.resp.Header)
			}
			f.presence(func(p wire.Presence) bool { return p.Subjects == 0 })
			all = append(all, f)
		}
		for i := range 3 {
			s.post("room", fmt.Sprint(i))
			for _, f := range all {
				e := f.next()
				for e.Type != sse.DefaultType { // the state may come again, when the hub has settled
					e = f.next()
				}
				if e.Data != fmt.Sprint(i) {
					s.Fatalf("the event is %+v, want %d", e, i)
				}
			}
			s.follow(fmt.Sprintf("/events/other?topic=room&present=1&subject=m%d", i), nil).next()
			for _, f := range all {
				f.presence(func(p wire.Presence) bool { return p.Subjects == i+1 })
			}
		}
	})
}
