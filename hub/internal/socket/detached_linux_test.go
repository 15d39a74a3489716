package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// detachedPair returns a detached socket, the connection that it belongs to, and its client.
func detachedPair(t *testing.T, input int) (d *Detached, c *Conn, client net.Conn) {
	t.Helper()
	c, client = pair(t)
	d, err := c.Detach(time.Minute, input)
	if err != nil {
		t.Fatal(err)
	}
	return d, c, client
}

// TestDetachedSocketNeverBlocks: what the socket does not take stays, in order, and arrives when the client reads.
func TestDetachedSocketNeverBlocks(t *testing.T) {
	t.Parallel()
	d, c, client := detachedPair(t, 0)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // more than the kernel takes
	for _, part := range [][]byte{want[:8<<20], want[8<<20:]} {
		if n, err := c.Write(part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if d.Left() == 0 {
		t.Fatal("the kernel takes any number of bytes")
	}
	got, b := 0, make([]byte, 1<<20)
	for left := d.Left(); got < len(want); {
		before := left
		sent, now, err := d.Send()
		if left = now; err != nil || before-sent != left || d.Left() != left {
			t.Fatalf("%d of %d bytes are sent, and %d are left: %v", sent, before, left, err)
		}
		n, err := client.Read(b)
		if err != nil || !bytes.Equal(b[:n], want[got:got+n]) {
			t.Fatalf("other bytes arrive after %d: %v", got, err)
		}
		got += n
	}
	if d.Left() != 0 || d.kept != nil {
		t.Errorf("%d bytes are left, and a buffer of %d", d.Left(), cap(d.kept))
	}
}

// readAll reads until there is nothing to read or an error.
func readAll(d *Detached) (n int, err error) {
	for b := make([]byte, 100); err == nil; {
		var got int
		got, err = d.Read(b)
		n += got
	}
	return n, err
}

// TestDetachedSocketReadsALimitedNumberOfBytes, and does not wait for them.
func TestDetachedSocketReadsALimitedNumberOfBytes(t *testing.T) {
	t.Parallel()
	const limit = 1000
	d, _, client := detachedPair(t, limit)
	if n, err := readAll(d); n != 0 || !errors.Is(err, ErrNothing) {
		t.Fatal(n, err)
	}
	if _, err := client.Write(make([]byte, limit+1)); err != nil {
		t.Fatal(err)
	}
	n, err := readAll(d)
	for errors.Is(err, ErrNothing) { // the bytes are on their way
		var more int
		more, err = readAll(d)
		n += more
	}
	if n != limit || !errors.Is(err, ErrInput) {
		t.Errorf("%d bytes, %v; want %d", n, err, limit)
	}
}

// TestDetachedSocketSeesTheEnd of the client's bytes, and that it is closed itself.
func TestDetachedSocketSeesTheEnd(t *testing.T) {
	t.Parallel()
	d, c, client := detachedPair(t, 1)
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, err := readAll(d)
	for errors.Is(err, ErrNothing) {
		_, err = readAll(d)
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for name, err := range map[string]error{"Write": second(d.Write([]byte("x"))), "Read": second(d.Read(make([]byte, 1))), "Close": d.Close()} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func second(_ int, err error) error { return err }

// TestLastBytesWaitForAFullSocket: they arrive when the client reads, and so does the end.
func TestLastBytesWaitForAFullSocket(t *testing.T) {
	t.Parallel()
	d, c, client := detachedPair(t, 0)
	const size = 16 << 20 // more than the kernel takes
	if _, err := c.Write(make([]byte, size)); err != nil || d.Left() == 0 {
		t.Fatal(d.Left(), err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		d.Linger(time.Minute)
	}()
	if b, err := io.ReadAll(client); len(b) != size || err != nil {
		t.Errorf("%d of %d bytes, %v", len(b), size, err)
	}
	<-closed
	if err := d.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestLastBytesWaitABoundedTime for a client that does not read.
func TestLastBytesWaitABoundedTime(t *testing.T) {
	t.Parallel()
	d, c, client := detachedPair(t, 0)
	if _, err := c.Write(make([]byte, 16<<20)); err != nil || d.Left() == 0 {
		t.Fatal(d.Left(), err)
	}
	d.Linger(time.Millisecond)
	if n, err := io.Copy(io.Discard, client); n >= 16<<20 || err != nil {
		t.Errorf("%d bytes, %v: the socket is not closed", n, err)
	}
}
