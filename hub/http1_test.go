package hub_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestAConnectionPublishesAndThenSubscribes: it goes back to net/http with the request for a stream, which the hub then takes over from it.
func TestAConnectionPublishesAndThenSubscribes(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	c := s.dial()
	for i := range 3 {
		c.write(fmt.Sprintf("POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d", i))
		if a := c.readAnswer(); a.status != http.StatusOK || s.hub.TakenOver() != 1 {
			t.Fatalf("%+v, %d connections taken over", a, s.hub.TakenOver())
		}
	}
	c.write("GET /events/news?since=earliest HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if i == 3 {
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "3"})
		}
		for line := ""; line != fmt.Sprintf("data: %d\n", i); {
			if line, err = c.in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = resp.Body.Close()
	_ = c.Close()
	await(t, "the hub has given up the connection", func() bool { return s.hub.TakenOver() == 0 })
}

// TestShutdownAnswersPublishersOnTakenConnections: an event that is being stored gets its answer before Shutdown returns.
func TestShutdownAnswersPublishersOnTakenConnections(t *testing.T) {
	t.Parallel()
	log := &heldLog{Memory: mustMemory(t, nil), began: make(chan struct{}), release: make(chan struct{})}
	s := serve(t, log, nil, transports[0])
	idle, busy := s.dialTaken(), s.dialTaken()
	busy.write("POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
	<-log.began
	done := make(chan error, 1)
	go func() { done <- s.hub.Shutdown(context.WithoutCancel(t.Context())) }()
	if b, err := io.ReadAll(idle.in); err != nil || len(b) > 0 {
		t.Errorf("a connection without a request gets %q, %v", b, err)
	}
	select {
	case err := <-done:
		t.Errorf("Shutdown does not wait for the answer: %v", err)
	default:
	}
	close(log.release)
	if a := busy.readAnswer(); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
	if b, err := io.ReadAll(busy.in); err != nil || len(b) > 0 {
		t.Errorf("the connection goes on with %q, %v", b, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// heldLog holds appends until release is closed.
type heldLog struct {
	*eventlog.Memory
	began, release chan struct{}
}

func (l *heldLog) Append(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	close(l.began)
	<-l.release
	return l.Memory.Append(ctx, records)
}

// TestAPostOverHTTP1AllocatesLittle: all that happens for an event between two sockets, except in the log.
func TestAPostOverHTTP1AllocatesLittle(t *testing.T) {
	s := serve(t, instantLog{mustMemory(t, nil)}, nil, transports[0])
	c := s.dialTaken()
	request := []byte("POST /events/news HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	answer := make([]byte, 1<<10)
	got := leastAllocs(200, func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(answer)
		if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200 OK") {
			t.Fatalf("%q %v", answer[:n], err)
		}
	})
	if most := 25.0; got > most {
		t.Errorf("%v allocations, want at most %v", got, most)
	}
}
