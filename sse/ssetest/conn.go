package ssetest

import (
	"errors"
	"io"
	"net"
	"time"
)

// Conn is one end of an in-memory connection of a [Listener]. It behaves like a TCP connection, and guarantees more:
//   - a Read never returns bytes of two Writes of the other end;
//   - a Write blocks exactly while the other end has [Listener.Buffer] unread bytes;
//   - after a [Conn.Reset] the other end still reads the bytes sent before.
//
// Its methods are safe for concurrent use. Errors other than io.EOF are a [*net.OpError].
type Conn struct {
	in, out       *pipe
	local, remote net.Addr
	secure        bool   // dialled for an https URL
	forget        func() // removes the connection from its listener; may be called repeatedly
}

var _ net.Conn = (*Conn)(nil)

// newConns returns the two ends of a connection that buffers size bytes in each direction.
func newConns(size int, client, server net.Addr) (dialled, accepted *Conn) {
	up, down := &pipe{max: size}, &pipe{max: size}
	dialled = &Conn{in: down, out: up, local: client, remote: server}
	accepted = &Conn{in: up, out: down, local: server, remote: client}
	return dialled, accepted
}

// Read reads the bytes of one Write of the other end, or a part of them.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

// Write sends b and returns when all of it is in the buffer of the other end. It returns the number of bytes buffered.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends the connection cleanly. The other end reads the bytes sent before, then io.EOF; its writes fail with
// EPIPE. Reads and writes at this end fail with [net.ErrClosed]. Close can be called more than once and returns nil.
func (c *Conn) Close() error {
	c.out.closeWriting()
	c.in.closeReading()
	c.forget()
	return nil
}

// Reset aborts the connection, as a killed process or a firewall does. Reads and writes at both ends fail with
// ECONNRESET; the other end first reads the bytes sent before. Reset returns nil.
func (c *Conn) Reset() error {
	c.out.reset(false)
	c.in.reset(true)
	c.forget()
	return nil
}

// LocalAddr returns the address of this end, a [*net.TCPAddr] of the documentation network 192.0.2.0/24.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end. The clients of different connections have different ports.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the deadlines of Read and Write. The zero time removes them.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // neither fails
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on, including a Read that waits. The zero time
// removes the deadline. It returns nil.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.readDeadline.set(c.in, t)
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on, including a Write that waits, which may
// have sent a part. The zero time removes the deadline. It returns nil.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.writeDeadline.set(c.out, t)
	return nil
}
