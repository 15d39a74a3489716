// Package socket sends bytes to sockets without blocking, also below TLS.
//
// crypto/tls writes to a connection that it takes to be a network. A [Conn] between TLS and the network keeps the sealed bytes in memory, and
// its owner sends them with one system call when it is ready. So a goroutine that serves many clients can seal for all of them, and no client
// can make it wait.
package socket

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Conn is a connection whose written bytes can be kept in memory until [Conn.Send]. It is safe for concurrent use, as every net.Conn.
type Conn struct {
	net.Conn
	raw  syscall.RawConn
	step func(fd uintptr) bool // is sendSome; made once, because making it allocates

	mu      sync.Mutex // guards the following
	gathers bool
	kept    []byte // written and not sent
	sent    int    // bytes of kept that were sent
	err     error  // of the last attempt to send
	waits   bool   // Finish runs
}

// Of returns the Conn of a connection: the connection itself, or a new one for a TCP or Unix connection. ok is false for all others, and on
// systems where sends block.
func Of(conn net.Conn) (c *Conn, ok bool) {
	if c, ok = conn.(*Conn); ok || !supported {
		return c, ok
	}
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil, false
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, false
	}
	c = &Conn{Conn: conn, raw: raw}
	c.step = c.sendSome
	return c, true
}

// SyscallConn returns the raw connection, as *net.TCPConn does.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Tune limits the kernel memory of a stalled TCP connection, and makes the kernel close one whose client is not there any more.
func (c *Conn) Tune(timeout time.Duration) {
	if _, ok := c.Conn.(*net.TCPConn); ok {
		_ = c.raw.Control(func(fd uintptr) { Tune(int(fd), timeout) }) // an error means that the connection is closed
	}
}

// Gather makes Write keep all bytes in memory from now on, until Send or Finish sends them.
func (c *Conn) Gather() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gathers = true
}

// Write implements [net.Conn].
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if !c.gathers {
		c.mu.Unlock()
		return c.Conn.Write(b)
	}
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = buffers.get()
	}
	c.kept = append(c.kept, b...)
	return len(b), nil
}

// Send sends what Write has kept, as much as the socket takes without blocking. It reports whether nothing is left. No two goroutines may call
// Send and Finish at a time.
func (c *Conn) Send() (empty bool, err error) {
	if c.empty() {
		return true, nil
	}
	if err := c.raw.Write(c.step); err != nil {
		return false, err
	}
	return c.empty(), c.failure()
}

// Finish sends what Write has kept, and waits for the socket. It fails with os.ErrDeadlineExceeded if the socket takes nothing for a time. 0 means
// without limit.
func (c *Conn) Finish(timeout time.Duration) error {
	c.setWaits(true)
	defer func() {
		c.setWaits(false)
		_ = c.SetWriteDeadline(time.Time{}) // an error means that the connection is closed
	}()
	for {
		if timeout > 0 {
			if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
				return err
			}
		}
		left := c.Left()
		if left == 0 {
			return nil
		}
		if err := c.raw.Write(func(fd uintptr) bool { return c.sendSome(fd) && c.Left() < left || c.failure() != nil }); err != nil {
			return err
		}
		if err := c.failure(); err != nil {
			return err
		}
	}
}

// sendSome makes one system call.
func (c *Conn) sendSome(fd uintptr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := Send(int32(fd), c.kept[c.sent:])
	c.err = err
	if c.sent += n; c.sent == len(c.kept) {
		buffers.put(c.kept)
		c.kept, c.sent = nil, 0
	}
	return true
}

// Left returns how many bytes Write has kept that are not sent.
func (c *Conn) Left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.kept) - c.sent
}

func (c *Conn) empty() bool { return c.Left() == 0 }

func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Conn) setWaits(waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = waits
}

// Close sends what the socket takes of the kept bytes, such as the last alert of TLS, and closes the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	last := len(c.kept) > c.sent && !c.waits
	c.mu.Unlock()
	if last && c.SetWriteDeadline(time.Time{}) == nil { // TLS has set one that has passed
		_ = c.raw.Write(c.step) // the connection ends, with or without these bytes
	}
	return c.Conn.Close()
}

// CloseWrite ends the sending side of the connection.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Listen returns a listener whose TCP and Unix connections are Conns.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if c, ok := Of(conn); ok {
		return c, nil
	}
	return conn, nil
}

// buffers is the pool of the buffers in which Conns keep bytes.
var buffers bufferPool

type bufferPool struct{ pool sync.Pool }

// mostKept is the capacity of the largest buffer that returns to the pool.
const mostKept = 256 << 10

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 4<<10)
}

func (p *bufferPool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= mostKept {
		p.pool.Put(&b)
	}
}
