package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Detached is the socket of a connection below TLS that an epoll set of the caller watches. Nothing blocks: Write sends what the socket takes and
// keeps the rest, and Read fails if there is nothing to read. The Go runtime keeps no state for the socket, and a socket that takes
// everything has no buffer. Write and Send are safe for concurrent use. Close comes last.
type Detached struct {
	input int32 // how many more bytes Read takes; owned by the reader
	mu    sync.Mutex
	fd    int32  // -1: closed
	kept  []byte // written and not sent
}

var _ net.Conn = (*Detached)(nil)

// Detach takes the socket out of the connection, whose reads and writes then are those of the result. Only input more bytes can be read. Detach
// [Tune]s a TCP socket.
func (c *Conn) Detach(timeout time.Duration, input int) (*Detached, error) {
	fd, ok, err := Take(c.Conn, timeout)
	if !ok || err != nil {
		return nil, errors.Join(err, c.Conn.Close())
	}
	d := &Detached{fd: fd, input: int32(input)}
	c.Conn, c.raw, c.step = d, nil, nil
	return d, nil
}

// FD returns the socket.
func (d *Detached) FD() int32 { return d.fd }

// Write implements [net.Conn]. It accepts all bytes.
func (d *Detached) Write(b []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fd < 0:
		return 0, net.ErrClosed
	case len(d.kept) == 0:
		if n, err = Send(d.fd, b); err != nil {
			return 0, err
		}
	}
	d.kept = append(d.kept, b[n:]...)
	return len(b), nil
}

// Send sends what Write has kept, as much as the socket takes. It returns how many bytes that is, and how many are left.
func (d *Detached) Send() (n, left int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fd < 0:
		return 0, len(d.kept), net.ErrClosed
	case len(d.kept) == 0:
		return 0, 0, nil
	}
	if n, err = Send(d.fd, d.kept); err != nil {
		return 0, len(d.kept), err
	}
	if d.kept = d.kept[n:]; len(d.kept) == 0 {
		d.kept = nil
	}
	return n, len(d.kept), nil
}

// Left returns how many bytes Write has kept that are not sent.
func (d *Detached) Left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.kept)
}

// ErrInput is the error of Read when the client has sent more bytes than it may.
var ErrInput = errors.New("socket: the client has sent too many bytes")

// ErrNothing is the error of Read when there is nothing to read. It is temporary, so that crypto/tls reads again after it.
var ErrNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "socket: there is nothing to read" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// Read implements [net.Conn]. It fails with ErrNothing and ErrInput.
func (d *Detached) Read(b []byte) (int, error) {
	switch {
	case d.fd < 0:
		return 0, net.ErrClosed
	case d.input <= 0:
		return 0, ErrInput
	}
	n, err := receive(d.fd, b[:min(len(b), int(d.input))])
	d.input -= int32(n)
	return n, err
}

// Close implements [net.Conn].
func (d *Detached) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return net.ErrClosed
	}
	err := closeSocket(d.fd)
	d.fd, d.kept = -1, nil
	return err
}

// Linger closes the socket when it has taken what Write has kept, or after a time. It returns when the socket is closed. Nobody else may use d after
// it begins.
func (d *Detached) Linger(timeout time.Duration) {
	d.mu.Lock()
	fd, kept := d.fd, d.kept
	d.fd, d.kept = -1, nil
	d.mu.Unlock()
	if fd < 0 {
		return
	}
	f := os.NewFile(uintptr(fd), "socket") // the runtime waits for it, because it does not block
	if f.SetWriteDeadline(time.Now().Add(timeout)) == nil {
		_, _ = f.Write(kept) // the connection ends, with or without these bytes
	}
	_ = f.Close() // as above
}

// LocalAddr implements [net.Conn]. The result is nil.
func (*Detached) LocalAddr() net.Addr { return nil }

// RemoteAddr implements [net.Conn]. The result is nil.
func (*Detached) RemoteAddr() net.Addr { return nil }

// SetDeadline implements [net.Conn]. It does nothing, as do the other deadlines.
func (*Detached) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.Conn].
func (*Detached) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.Conn].
func (*Detached) SetWriteDeadline(time.Time) error { return nil }
