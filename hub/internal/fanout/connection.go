package fanout

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// attachConnection makes a runner of a stream, on a connection that the Stream owns.
func (st *Stream) attachConnection(conn net.Conn, header []byte) {
	r := st.newRunner(&connection{conn: conn, timeout: st.f.opts.WriteTimeout}, append(header, st.first...))
	r.bytes.Store(-int64(len(header)))
	fd, ok := watchable(conn)
	if ok {
		r.fd = fd // the poller reports when the client disconnects
	}
	r.admit()
	if !ok {
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			r.disconnected()
		}()
	}
}

// watchable returns the socket below a TLS connection. Nothing is read from the connection after that.
func watchable(conn net.Conn) (fd int32, ok bool) {
	secure, isTLS := conn.(*tls.Conn)
	if !isTLS {
		return -1, false
	}
	if fd, ok = socketOf(secure.NetConn()); ok {
		forgetHandshake(secure)
	}
	return fd, ok
}

// connection is a Socket over a connection.
type connection struct {
	conn    net.Conn
	timeout time.Duration
	aborted atomic.Bool
}

// ErrAborted is the error of writes after Abort.
var ErrAborted = errors.New("the stream was aborted")

func (c *connection) Write(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	if c.aborted.Load() { // after the deadline, which might replace that of Abort
		return ErrAborted
	}
	_, err := c.conn.Write(b)
	return err
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func (c *connection) Abort() {
	c.aborted.Store(true)
	_ = c.conn.SetWriteDeadline(longAgo) // an error means that the connection is already closed
}

func (c *connection) Close() { _ = c.conn.Close() } // the stream has ended, so an error changes nothing

// buffers is the pool of buffers in which runners join chunks. A sleeping runner has none.
var buffers bufferPool

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 4<<10)
}

// put takes a buffer back, unless one event has made it very large.
func (p *bufferPool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= 4*pageBytes {
		p.pool.Put(&b)
	}
}
