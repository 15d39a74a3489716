package h1

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

// conn is a connection that was taken over. One goroutine serves it.
type conn struct {
	server *Server
	net    net.Conn           // set while Server.mu is held
	blank  *http.Request      // what all requests of the connection have in common
	cancel context.CancelFunc // ends the context of the requests
	last   target

	afterPost int // how many characters of line ends may come before the next request

	memory [largestHead]byte
	ahead  []byte    // the part of memory that was read and is not used
	until  time.Time // the deadline for reading; zero: none
	out    []byte    // memory for answers

	state atomic.Int32
}

// States of a connection.
const (
	active = iota // a request is being read or served
	idle          // no byte of the next request has arrived
	closed
)

func newConn(s *Server, r *http.Request) *conn {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	blank := &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: r.RemoteAddr}
	return &conn{server: s, cancel: cancel, blank: blank.WithContext(ctx)}
}

// begin sets the hijacked connection, and keeps what net/http has read beyond the header of the first request.
func (c *conn) begin(nc net.Conn, in *bufio.Reader) {
	c.net = nc
	if back, ok := nc.(*Returned); ok {
		c.net = back.Unwrap()
	}
	n, _ := in.Read(c.memory[:min(in.Buffered(), len(c.memory))]) // does not read from the connection
	c.ahead = c.memory[:n]
}

// serve serves requests until the connection ends or goes back to net/http. net/http has read the header of the first one.
func (c *conn) serve(first *http.Request) {
	given := false
	defer func() {
		if !given {
			c.close()
			c.server.remove(c)
		}
		c.cancel()
	}()
	c.setDeadline(0) // instead of that of net/http for the header
	x := &exchange{conn: c}
	x.request = *first.WithContext(c.blank.Context())
	again := c.exchange(x)
	for again {
		head, ok := c.readHead()
		if !ok {
			return
		}
		x := &exchange{conn: c}
		if head == 0 || !x.parse(c.ahead[:head]) || !c.serves(&x.request) {
			given = true
			c.giveBack()
			return
		}
		c.ahead = c.ahead[head:]
		again = c.exchange(x)
	}
}

// exchange serves a request. It reports whether another one may follow.
func (c *conn) exchange(x *exchange) bool {
	if c.afterPost = 0; x.request.Method == http.MethodPost {
		c.afterPost = 4
	}
	return x.serve()
}

// serves reports whether a request is for the server's handler.
func (c *conn) serves(r *http.Request) bool {
	if c.last.method != r.Method {
		if !c.server.o.Serves(r) {
			return false
		}
		c.last.method = r.Method
	}
	return true
}

// readHead waits for a header. It returns its length, or 0 if net/http has to read it: because it is too long or does not arrive. It is not ok if the
// connection has ended.
func (c *conn) readHead() (n int, ok bool) {
	if len(c.ahead) == 0 && !c.awaitRequest() {
		return 0, false
	}
	for {
		c.skipLineEnds()
		if i := bytes.Index(c.ahead, headEnd); i >= 0 {
			return i + len(headEnd), true
		}
		c.setDeadline(c.server.headTime())
		if hasBareLF(c.ahead) || c.read() != nil {
			return 0, true
		}
	}
}

// skipLineEnds skips line ends before a request, as net/http does after a POST (RFC 9112, section 2.2).
func (c *conn) skipLineEnds() {
	for c.afterPost > 0 && len(c.ahead) > 0 && (c.ahead[0] == '\r' || c.ahead[0] == '\n') {
		c.ahead = c.ahead[1:]
		c.afterPost--
	}
}

// hasBareLF reports whether a line ends without a CR. Some clients end their header so, and net/http accepts it.
func hasBareLF(b []byte) bool {
	for i := bytes.IndexByte(b, '\n'); i >= 0; {
		if i == 0 || b[i-1] != '\r' {
			return true
		}
		next := bytes.IndexByte(b[i+1:], '\n')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// awaitRequest waits for the first bytes of a request.
func (c *conn) awaitRequest() bool {
	c.setDeadline(c.server.idleTime())
	if !c.state.CompareAndSwap(active, idle) {
		return false
	}
	if c.server.once.Load() { // closeIdle may have come before
		return false
	}
	err := c.read()
	return c.state.CompareAndSwap(idle, active) && err == nil
}

// read reads more bytes. It fails if there is no room for them.
func (c *conn) read() error {
	if len(c.ahead) == len(c.memory) {
		return bytes.ErrTooLarge
	}
	kept := copy(c.memory[:], c.ahead)
	n, err := c.net.Read(c.memory[kept:])
	c.ahead = c.memory[:kept+n]
	if n > 0 {
		return nil
	}
	return err
}

// setDeadline sets how long the next reads may take, 0 for no limit. It changes a deadline only if that makes a difference of a tenth, because a
// publisher sends thousands of requests a second.
func (c *conn) setDeadline(d time.Duration) {
	if d == 0 {
		if !c.until.IsZero() {
			c.setUntil(time.Time{})
		}
		return
	}
	if left := time.Until(c.until); left < d-d/10 || left > d {
		c.setUntil(time.Now().Add(d))
	}
}

func (c *conn) setUntil(t time.Time) {
	c.until = t
	_ = c.net.SetReadDeadline(t) // fails only if the connection is closed; the next read says so
}

// closeIdle closes the connection if it waits for a request.
func (c *conn) closeIdle() {
	if c.state.CompareAndSwap(idle, closed) {
		_ = c.net.Close() // the client sees the end, whatever the error
	}
}

// close closes the connection in any state, also before it was hijacked.
func (c *conn) close() {
	c.state.Store(closed)
	if c.net != nil {
		_ = c.net.Close() // an error means that the client has disconnected
	}
}

// giveBack lets net/http continue with the request that begins in ahead.
func (c *conn) giveBack() {
	c.setDeadline(0)
	c.server.remove(c)
	c.server.giveBack(c.net, bytes.Clone(c.ahead))
}

// recovered logs the panic of a handler, as net/http does.
func (c *conn) recovered(why any) {
	if why == nil || why == http.ErrAbortHandler { //nolint:errorlint // net/http compares it in the same way
		return
	}
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	c.server.logf("http: panic serving %v: %v\n%s", c.blank.RemoteAddr, why, stack)
}
