package socket

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// pair returns a Conn that gathers, and its client.
func pair(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Listen(l)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c, ok := Of(conn)
	if !ok || net.Conn(c) != conn {
		t.Fatal("the listener does not return Conns")
	}
	return c, client
}

// TestWriteAndSendNeverBlock: what the socket does not take stays, and arrives when the client reads.
func TestWriteAndSendNeverBlock(t *testing.T) {
	t.Parallel()
	c, client := pair(t)
	c.Gather()
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // more than the kernel takes
	if n, err := c.Write(want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	if empty, err := c.Send(); empty || err != nil {
		t.Fatalf("all is sent: %v, %v", empty, err)
	}
	finished := make(chan error, 1)
	go func() { finished <- c.Finish(time.Minute) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes arrive: %v", err)
	}
	if err := <-finished; err != nil {
		t.Error(err)
	}
	if empty, err := c.Send(); !empty || err != nil {
		t.Errorf("%v, %v", empty, err)
	}
}

// TestFinishGivesUpWhenTheClientTakesNothing, after the timeout.
func TestFinishGivesUpWhenTheClientTakesNothing(t *testing.T) {
	t.Parallel()
	c, _ := pair(t)
	c.Gather()
	if _, err := c.Write(make([]byte, 32<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(50 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// TestWrittenBytesAreSentAtOnceBeforeGather: the handshake of TLS needs no Send.
func TestWrittenBytesAreSentAtOnceBeforeGather(t *testing.T) {
	t.Parallel()
	c, client := pair(t)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTLSOverGatheredSocketEndsCleanly: Close sends the alert that tells the client that the stream is complete.
func TestTLSOverGatheredSocketEndsCleanly(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	config := s.TLS.Clone()
	s.Close()
	c, conn := pair(t)
	server := tls.Server(c, config)
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	c.Gather()
	if _, err := server.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
