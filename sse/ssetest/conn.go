package ssetest

import (
	"errors"
	"io"
	"net"
	"time"
)

// Conn is one end of an in-memory connection, as [Listener] makes them. It behaves as a TCP connection does, but for
// these certainties:
//   - a Read never returns bytes of more than one Write of the other end;
//   - a Write blocks while [Listener.Buffer] bytes are unread at the other end;
//   - after a [Conn.Reset] the other end still reads what was sent before.
//
// Its methods are safe for concurrent use. Errors other than io.EOF are a [*net.OpError].
type Conn struct {
	in, out       *pipe
	local, remote net.Addr
	secure        bool   // dialled for an https URL
	forget        func() // tells the listener that the connection is over; harmless when repeated
}

var _ net.Conn = (*Conn)(nil)

// newConns returns the two ends of a connection with room for size bytes in each direction.
func newConns(size int, client, server net.Addr) (dialled, accepted *Conn) {
	up, down := &pipe{max: size}, &pipe{max: size}
	dialled = &Conn{in: down, out: up, local: client, remote: server}
	accepted = &Conn{in: up, out: down, local: server, remote: client}
	return dialled, accepted
}

// Read reads what one Write of the other end sent, or a part of it.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

// Write sends b and returns when all of it is in the buffer of the other end. With an error it returns how much is.
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

// Close ends the connection cleanly: the other end reads what was sent, then io.EOF; its writes fail with EPIPE. What
// is used at this end after it fails with [net.ErrClosed]. Close returns nil, however often it is called.
func (c *Conn) Close() error {
	c.out.closeWriting()
	c.in.closeReading()
	c.forget()
	return nil
}

// Reset breaks the connection off, as a killed process or a firewall does: at both ends reads and writes fail with
// ECONNRESET, at the other one after it has read what was sent before. It returns nil.
func (c *Conn) Reset() error {
	c.out.reset(false)
	c.in.reset(true)
	c.forget()
	return nil
}

// LocalAddr returns the address of this end, a [*net.TCPAddr] of the network for documentation 192.0.2.0/24.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end. Every connection's client has a port of its own.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the deadlines of Read and Write. The zero time lifts them.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // neither fails
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on, those that wait, too. The zero time lifts it.
// It returns nil.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.readDeadline.set(c.in, t)
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on, those that wait, too; a part may have been
// sent. The zero time lifts it. It returns nil.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.writeDeadline.set(c.out, t)
	return nil
}
