package hub_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// TestWatcherThatFallsBehindGetsTheState when it is live again, and no queue of messages.
func TestWatcherThatFallsBehindGetsTheState(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxEvent: 4 << 20, WriteTimeout: patience}, transports[0])
	conn, in := s.openRaw("/events/news?watch=room", func(c *net.TCPConn) {
		if err := c.SetReadBuffer(16 << 10); err != nil {
			t.Fatal(err)
		}
	})
	await(t, "the watcher has the state", func() bool { return s.delivered() == 1 })
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: strings.Repeat("x", 2<<20)})
	await(t, "its socket is full", func() bool { return s.hub.Stalled() == 1 })
	for i := range 5 {
		s.follow(fmt.Sprintf("/events/room?present=1&subject=m%d", i), nil).next()
	}
	await(t, "the change is told", func() bool {
		stats, err := s.hub.Stats(t.Context())
		return err == nil && stats.Presence.Changes > 0
	})
	if n := s.delivered(); n != 1 {
		t.Errorf("%d presence events for a full socket", n)
	}
	// With the small buffer the rest of the event would take long.
	if err := errors.Join(conn.SetReadBuffer(4<<20), conn.SetDeadline(time.Now().Add(patience))); err != nil {
		t.Fatal(err)
	}
	states := 0
	for d := sse.NewDecoder(in, nil); states < 2 && d.Next(); {
		e := d.Event()
		if e.Type != wire.TypePresence {
			continue
		}
		if states++; states == 1 {
			continue // at the beginning
		}
		p, err := wire.ParsePresence(e.Data)
		if err != nil || subjects(p.Members) != "m0 m1 m2 m3 m4" {
			t.Errorf("the first state afterwards is %s", e.Data)
		}
	}
	if states != 2 {
		t.Errorf("%d states", states)
	}
}
