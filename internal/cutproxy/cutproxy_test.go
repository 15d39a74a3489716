package cutproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// echo listens and returns every line to its sender.
func echo(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, bufio.NewReader(conn)}
}

func (c *client) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (c *client) hears(t *testing.T, line string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if got, err := c.in.ReadString('\n'); err != nil || got != line+"\n" {
		t.Fatalf("heard %q, %v; want %q", got, err, line)
	}
}

// hearsNothing fails the test if a byte arrives within a moment.
func (c *client) hearsNothing(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v", b, err)
	}
}

func network(t *testing.T) (n *cutproxy.Network, ab, ba *client) {
	t.Helper()
	n = cutproxy.New()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	toB, err := n.Link("a", "b", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	toA, err := n.Link("b", "a", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	ab, ba = dial(t, toB), dial(t, toA)
	ab.say(t, "hello")
	ab.hears(t, "hello")
	ba.say(t, "hello")
	ba.hears(t, "hello")
	return n, ab, ba
}

func TestBytesOfACutNetworkArriveWhenItHeals(t *testing.T) {
	n, ab, ba := network(t)
	n.Cut("a", "b")
	ab.say(t, "1")
	ba.say(t, "2")
	ab.hearsNothing(t)
	ba.hearsNothing(t)
	n.Heal()
	ab.hears(t, "1")
	ba.hears(t, "2")
}

func TestNewConnectionThroughACutIsSilentUntilItHeals(t *testing.T) {
	n, _, _ := network(t)
	address, err := n.Link("a", "b", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	n.OneWay("b", "a")
	c := dial(t, address)
	c.say(t, "1")
	c.hearsNothing(t)
	n.Heal()
	c.hears(t, "1")
}

// TestOneWayCutStopsOneDirection: the test itself is the other end, so that it sees which bytes arrive.
func TestOneWayCutStopsOneDirection(t *testing.T) {
	n, _, _ := network(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address, err := n.Link("a", "b", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := dial(t, address)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := &client{conn, bufio.NewReader(conn)}
	n.OneWay("a", "b")
	a.say(t, "up")
	b.hearsNothing(t)
	b.say(t, "down")
	a.hears(t, "down")
	n.Heal()
	b.hears(t, "up")
}

func TestPauseSilencesAllLinksOfANode(t *testing.T) {
	n, ab, ba := network(t)
	address, err := n.Link("b", "c", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	bc := dial(t, address)
	n.Pause("a")
	ab.say(t, "1")
	ba.say(t, "2")
	ab.hearsNothing(t)
	ba.hearsNothing(t)
	bc.say(t, "3")
	bc.hears(t, "3")
}

func TestDelayKeepsOrder(t *testing.T) {
	n, ab, _ := network(t)
	n.Delay("a", "b", 100*time.Millisecond)
	began := time.Now()
	for _, line := range []string{"1", "2", "3"} {
		ab.say(t, line)
	}
	for _, line := range []string{"1", "2", "3"} {
		ab.hears(t, line)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("there and back took %v, less than both delays", took)
	}
}

func TestResetBreaksOpenConnectionsOnly(t *testing.T) {
	n, ab, ba := network(t)
	n.Reset("a", "b")
	for _, c := range []*client{ab, ba} {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.in.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that was reset says %v", err)
		}
	}
	again := dial(t, ab.RemoteAddr().String())
	again.say(t, "1")
	again.hears(t, "1")
}

func TestEndOfOneDirectionIsPassedOn(t *testing.T) {
	_, ab, _ := network(t)
	ab.say(t, "last")
	if err := ab.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = ab.SetReadDeadline(time.Now().Add(time.Minute))
	if rest, err := io.ReadAll(ab.in); err != nil || string(rest) != "last\n" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}
