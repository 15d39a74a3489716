package hub_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// stallInsideAnEvent opens a direct stream whose client reads a part of a large event and then stalls.
func stallInsideAnEvent(t *testing.T, log eventlog.Log, o *hub.Options) (*site, *bufio.Reader, string) {
	o.Window, o.WriteTimeout, o.MaxEvent = 1, patience, 16<<20
	s := serve(t, log, o, transports[0])
	_, in := s.openRaw("/events/news", func(c *net.TCPConn) {
		if err := c.SetReadBuffer(16 << 10); err != nil {
			t.Fatal(err)
		}
	})
	await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "big" + strings.Repeat("x", 2<<20)})
	await(t, "the event is sent in part", func() bool { return s.hub.Stalled() == 1 })
	return s, in, log.Head().String()
}

// TestStalledSubscriberGetsItsGap: a gap waits behind the rest of a partly sent event. If the socket does not accept all of the gap, the hub
// must send it again, although Query.Told already counts it as reported.
func TestStalledSubscriberGetsItsGap(t *testing.T) {
	log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Count: 3}}}})
	s, in, _ := stallInsideAnEvent(t, log, &hub.Options{})
	for i := range 20 {
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(i)})
	}
	d := sse.NewDecoder(trickle{in, rand.New(rand.NewPCG(1, 2))}, &sse.ReadOptions{MaxEvent: 32 << 20})
	var got []string
	for d.Next() {
		e := d.Event()
		got = append(got, fmt.Sprintf("%s %s %.4s", e.Type, e.ID, e.Data))
		if e.Data == "19" {
			break
		}
	}
	if text := strings.Join(got, "\n"); !strings.Contains(text, "tidings.gap") {
		t.Errorf("17 events are missing, and the stream has no gap:\n%s", text)
	}
}

// TestStalledSubscriberGetsTheGapOfANewGeneration: its cursor must not continue at its old number in the new generation.
func TestStalledSubscriberGetsTheGapOfANewGeneration(t *testing.T) {
	log := mustMemory(t, nil)
	s, in, _ := stallInsideAnEvent(t, log, &hub.Options{})
	if err := log.SetGeneration(t.Context(), "newgn", 0); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint("new ", i)})
	}
	d := sse.NewDecoder(trickle{in, rand.New(rand.NewPCG(1, 2))}, &sse.ReadOptions{MaxEvent: 32 << 20})
	var got []string
	for d.Next() {
		e := d.Event()
		if e.Type == "tidings.gap" {
			return
		}
		got = append(got, fmt.Sprintf("%s %s %.6s", e.Type, e.ID, e.Data))
	}
	t.Errorf("the generation has changed, newgn-1 is missing, and the stream has no gap:\n%s", strings.Join(got, "\n"))
}
