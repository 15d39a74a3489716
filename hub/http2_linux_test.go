package hub_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tidings-sse/tidings/hub"
)

// shared is a connection of HTTP/2, without TLS, with many streams.
type shared struct {
	*testing.T
	in     *http2.Framer
	enc    *hpack.Encoder
	block  bytes.Buffer
	bodies map[uint32]*strings.Builder
	ended  map[uint32]bool
}

// share opens a connection whose streams have no window at first.
func (s *site) share() *shared {
	s.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		s.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	c := &shared{T: s.T, in: http2.NewFramer(conn, conn), bodies: make(map[uint32]*strings.Builder), ended: make(map[uint32]bool)}
	c.enc = hpack.NewEncoder(&c.block)
	_, err = io.WriteString(conn, http2.ClientPreface)
	c.check(err)
	c.check(c.in.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	c.check(c.in.WriteWindowUpdate(0, 1<<30))
	return c
}

func (c *shared) check(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// open opens a stream, and grants it a window.
func (c *shared) open(id uint32, path string, window uint32) {
	c.Helper()
	c.block.Reset()
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", path}} {
		c.check(c.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	c.check(c.in.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: true}))
	c.bodies[id] = new(strings.Builder)
	c.grant(id, window)
}

func (c *shared) grant(id, window uint32) {
	c.Helper()
	if window > 0 {
		c.check(c.in.WriteWindowUpdate(id, window))
	}
}

// readUntil reads frames until a condition holds.
func (c *shared) readUntil(holds func() bool) {
	c.Helper()
	for !holds() {
		f, err := c.in.ReadFrame()
		c.check(err)
		switch f := f.(type) {
		case *http2.DataFrame:
			c.bodies[f.StreamID].Write(f.Data())
			c.ended[f.StreamID] = c.ended[f.StreamID] || f.StreamEnded()
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.check(c.in.WriteSettingsAck())
			}
		case *http2.RSTStreamFrame:
			c.Fatalf("%v", f)
		}
	}
}

func (c *shared) has(id uint32, text string) func() bool {
	return func() bool { return strings.Contains(c.bodies[id].String(), text) }
}

// TestStreamsOfAConnectionAreIndependent: streams without window wait, and get every event later. The others are not delayed, and none needs a
// goroutine.
func TestStreamsOfAConnectionAreIndependent(t *testing.T) {
	s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience}, transport{name: "http2", h2: true})
	c := s.share()
	const large, streams, events = 1 << 30, 100, 20
	c.open(1, "/events/news", large)
	c.readUntil(c.has(1, "tidings.checkpoint"))
	before := runtime.NumGoroutine()
	for i := range uint32(streams) {
		window := uint32(0)
		if i%2 == 0 {
			window = large
		}
		c.open(3+2*i, "/events/news", window)
	}
	await(t, "all streams are open", func() bool { return s.hub.Streams() == streams+1 })
	await(t, "their handlers have returned", func() bool { return runtime.NumGoroutine() <= before+streams/10 })
	var want strings.Builder
	for i := range events {
		data := fmt.Sprint("event ", i)
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: data})
		want.WriteString("data: " + data + "\n")
	}
	last := fmt.Sprint("event ", events-1)
	check := func(id uint32) {
		t.Helper()
		c.readUntil(c.has(id, last+"\n"))
		var got strings.Builder
		for line := range strings.Lines(c.bodies[id].String()) {
			if strings.HasPrefix(line, "data: event") {
				got.WriteString(line)
			}
		}
		if got.String() != want.String() {
			t.Errorf("stream %d got\n%s", id, got.String())
		}
	}
	for i := uint32(0); i < streams; i += 2 {
		check(3 + 2*i)
	}
	for i := uint32(1); i < streams; i += 2 {
		id := 3 + 2*i
		if c.bodies[id].Len() > 0 {
			t.Errorf("stream %d has no window, and got %q", id, c.bodies[id])
		}
		c.grant(id, 7)
		c.grant(id, large)
		check(id)
	}
	// The end of the topic ends all streams.
	if _, err := s.hub.Publish(t.Context(), hub.Event{Topics: []string{"news"}, Data: "bye", End: true}); err != nil {
		t.Fatal(err)
	}
	c.readUntil(func() bool { return len(c.ended) == streams+1 && !hasFalse(c.ended) })
}

func hasFalse(all map[uint32]bool) bool {
	for _, yes := range all {
		if !yes {
			return true
		}
	}
	return false
}

// TestStreamWithoutWindowIsSlow: it ends after the write timeout, and the others of its connection go on.
func TestStreamWithoutWindowIsSlow(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: 200 * time.Millisecond}, transport{name: "http2", h2: true})
	c := s.share()
	c.open(1, "/events/news", 1<<30)
	c.readUntil(c.has(1, "tidings.checkpoint"))
	c.open(3, "/events/news", 0)
	for reset := false; !reset; {
		f, err := c.in.ReadFrame()
		c.check(err)
		if f, ok := f.(*http2.RSTStreamFrame); ok {
			if reset = f.StreamID == 3; !reset {
				t.Fatalf("%v", f)
			}
		}
	}
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "still here"})
	c.readUntil(c.has(1, "still here"))
}
