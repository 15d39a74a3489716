package fanout

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// sealedPair returns a stream over TLS that its shard does not know yet, and its client.
func sealedPair(t *testing.T, f *Fanout) (*sealed, *tls.Conn) {
	t.Helper()
	conn, client := tlsPair(t, "tcp", "127.0.0.1:0")
	d, ok, err := takeDirect(conn, time.Minute, 0)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	d.shard = f.shards[0]
	return d.via.(*sealed), client
}

// tlsPair returns both ends of a TLS connection over a network.
func tlsPair(t *testing.T, network, address string) (conn, client *tls.Conn) {
	t.Helper()
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	t.Cleanup(certificates.Close)
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	l = socket.Listen(l)
	defer l.Close()
	outer, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outer.Close() })
	below, _ := socket.Of(outer)
	client = tls.Client(below, &tls.Config{InsecureSkipVerify: true})
	greeted := make(chan error, 1)
	go func() { greeted <- client.Handshake() }()
	inner, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn = tls.Server(inner, &tls.Config{Certificates: certificates.TLS.Certificates})
	if err := errors.Join(conn.Handshake(), <-greeted); err != nil {
		t.Fatal(err)
	}
	return conn, client
}

// TestLastAlertWaitsForAFullSocket: a client that reads slowly could take its complete stream for one that was cut off.
func TestLastAlertWaitsForAFullSocket(t *testing.T) {
	f, _ := start(t)
	s, client := sealedPair(t, f)
	for s.sock.Left() == 0 { // one more record does not fit
		if _, err := s.write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s.shard.await(func() { s.close(true) })
	if n, err := io.Copy(io.Discard, client); err != nil { // it is nil after an alert
		t.Errorf("after %d bytes: %v", n, err)
	}
}

// TestShutdownWaitsForTheLastAlert, and not longer than a second for a client that does not read.
func TestShutdownWaitsForTheLastAlert(t *testing.T) {
	f, _ := start(t)
	s, client := sealedPair(t, f)
	for s.sock.Left() == 0 {
		if _, err := s.write(make([]byte, maxRecord)); err != nil {
			t.Fatal(err)
		}
	}
	s.shard.await(func() { s.close(true) })
	if err := f.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, client); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the connection is open after Shutdown: %v", err)
	}
}
