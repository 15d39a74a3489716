package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// refusedBodies are requests that are refused before or after the first line of the body.
var refusedBodies = map[string]struct {
	head   string
	status int
}{
	"an invalid event": {"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n", 400},
	"an invalid path":  {"POST /events/a//b HTTP/1.1\r\nHost: localhost\r\n", 400},
	"an unknown path":  {"PUT /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/event-stream\r\n", 404},
}

// TestPublisherGetsRefusalWhileSending: the connection is not reset, even for clients that send everything before they read.
func TestPublisherGetsRefusalWhileSending(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &strict, transports[0])
	line := strings.Repeat("nonsense", 1<<13) + "\n"
	const lines = 100 // more than sockets and net/http buffer
	for name, test := range refusedBodies {
		c := s.dial()
		c.write(test.head + "Transfer-Encoding: chunked\r\n\r\n")
		for range lines {
			c.write(fmt.Sprintf("%x\r\n%s\r\n", len(line), line))
		}
		if a := c.readAnswer(); a.status != test.status {
			t.Errorf("%s, in chunks: %d %s", name, a.status, a.body)
		}
	}
	c := s.dial()
	c.write(refusedBodies["an invalid event"].head + fmt.Sprintf("Content-Length: %d\r\n\r\n", lines*len(line)))
	for range lines {
		c.write(line)
	}
	if a := c.readAnswer(); a.status != 400 {
		t.Errorf("with a length: %d %s", a.status, a.body)
	}
}

// TestPublisherOfALargeEventGetsRefusalAtOnce: net/http waited for up to 256 KiB of the body, which may be slow, before it sent the answer.
func TestPublisherOfALargeEventGetsRefusalAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxEvent: 1 << 10}, transports[0])
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		c := s.dial()
		c.write("POST /events/news HTTP/1.1\r\nHost: localhost\r\n" + expect + "Content-Length: 100000\r\n\r\n")
		if a := c.readAnswer(); a.status != 413 {
			t.Errorf("with %q: %d %s", expect, a.status, a.body)
		}
	}
}

// TestPausedPublisherGetsRefusalAtOnce: the rest of the body may never arrive.
func TestPausedPublisherGetsRefusalAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &strict, transports[0])
	for name, test := range refusedBodies {
		c := s.dial()
		c.write(test.head + "Transfer-Encoding: chunked\r\n\r\n9\r\nnonsense\n\r\n")
		if a := c.readAnswer(); a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
