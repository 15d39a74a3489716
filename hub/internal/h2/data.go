package h2

import (
	"errors"
	"io"
	"net/http"
	"os"

	"golang.org/x/net/http2"
)

const (
	// connWindow is how many bytes of bodies a client may send that the handlers of a connection have not read; bodyWindow is the same for one body.
	connWindow = 1 << 20
	bodyWindow = 1 << 20

	// grantAtLeast is how many bytes are given back to a window at a time.
	grantAtLeast = 16 << 10
)

// errBodyLength is the error of a body with more or fewer bytes than its request announces.
var errBodyLength = errors.New("the body does not have the announced length")

// processData adds data to the body of a request.
func (c *conn) processData(f *http2.DataFrame) error {
	id := f.StreamID
	if c.isIdle(id) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	st := c.streams[id]
	if st == nil || st.gotEnd {
		if err := c.refund(f); err != nil || c.resets.has(id) {
			return err
		}
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	}
	if st.x == nil || st.x.body == nil { // a detached stream, whose request nobody reads any more
		if err := c.refund(f); err != nil || !f.StreamEnded() {
			return err
		}
		st.gotEnd = true
		return nil
	}
	b := st.x.body
	size := int64(f.Length)
	if size > c.received {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	if size > b.window {
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeFlowControl}
	}
	c.received -= size
	b.window -= size
	data := f.Data()
	if b.length += int64(len(data)); b.declared >= 0 && b.length > b.declared {
		c.giveBack(size)
		b.err = errBodyLength
		c.changed.Broadcast()
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	if b.closed {
		c.giveBack(size)
	} else {
		b.data = append(b.data, data...)
		padding := size - int64(len(data))
		c.giveBack(padding)
		b.giveBack(padding)
	}
	c.changed.Broadcast()
	if f.StreamEnded() {
		return c.bodyEnded(st)
	}
	return nil
}

// bodyEnded is called when the client has ended its side of a stream.
func (c *conn) bodyEnded(st *Stream) error {
	st.gotEnd = true
	if st.x != nil && st.x.body != nil {
		b := st.x.body
		if b.declared >= 0 && b.length != b.declared {
			b.err = errBodyLength
			c.changed.Broadcast()
			return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
		}
		c.changed.Broadcast()
	}
	c.closeIfDone(st)
	return nil
}

// refund counts a frame of data that nobody reads, and gives its bytes back to the window of the connection.
func (c *conn) refund(f *http2.DataFrame) error {
	if int64(f.Length) > c.received {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	c.received -= int64(f.Length)
	c.giveBack(int64(f.Length))
	return nil
}

// giveBack gives bytes back to the window of the connection, once they are many enough for a frame. The caller holds mu.
func (c *conn) giveBack(n int64) {
	if c.returned += n; c.returned >= grantAtLeast {
		c.grant(0, &c.received, c.returned)
		c.returned = 0
	}
}

// grant makes a window of the client larger. The caller holds mu.
func (c *conn) grant(id uint32, window *int64, n int64) {
	*window += n
	_ = c.frames.WriteWindowUpdate(id, uint32(n)) // frameWriter never fails
}

// body is the body of a request. The mutex of the connection guards it.
type body struct {
	st        *Stream
	exchange  *exchange
	declared  int64 // length; -1: none is announced
	length    int64 // that has come
	window    int64 // how much the client may send
	returned  int64 // bytes that were read, for that window
	data      []byte
	err       error
	continues bool // the client waits for 100 Continue
	closed    bool
}

// Read implements [io.Reader]. It fails with os.ErrDeadlineExceeded after the read deadline.
func (b *body) Read(p []byte) (int, error) {
	st, c, x := b.st, b.st.c, b.exchange
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.continues && !b.closed && st.failure() == nil {
		b.continues = false
		c.appendHeaders(st.id, statusOnly(http.StatusContinue), false)
		c.flush()
	}
	for {
		switch {
		case b.closed:
			return 0, http.ErrBodyReadAfterClose
		case len(b.data) > 0:
			return b.take(p), nil
		case b.err != nil:
			return 0, b.err
		case st.gotEnd: // also if the client has disconnected since
			x.publishTrailers()
			return 0, io.EOF
		case st.err != nil:
			return 0, st.err
		case len(p) == 0:
			return 0, nil
		case x.expired(x.readBy):
			return 0, os.ErrDeadlineExceeded
		}
		c.await(x.readBy)
	}
}

// take moves bytes to p, and gives them back to the windows.
func (b *body) take(p []byte) int {
	c := b.st.c
	n := copy(p, b.data)
	if b.data = b.data[n:]; len(b.data) == 0 {
		b.data = nil
	}
	c.giveBack(int64(n))
	b.giveBack(int64(n))
	c.flush()
	return n
}

// giveBack gives bytes back to the window of the stream, once they are many enough for a frame. The caller holds mu.
func (b *body) giveBack(n int64) {
	if b.returned += n; b.returned >= grantAtLeast && !b.st.gotEnd && b.st.err == nil {
		b.st.c.grant(b.st.id, &b.window, b.returned)
		b.returned = 0
	}
}

// Close implements [io.Closer]. What the client sends after it is dropped.
func (b *body) Close() error {
	c := b.st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	b.drop()
	c.flush()
	return nil
}

// drop drops what has come, and what will come. The caller holds mu.
func (b *body) drop() {
	if b == nil || b.closed {
		return
	}
	b.closed = true
	b.st.c.giveBack(int64(len(b.data)))
	b.data = nil
	b.st.c.changed.Broadcast()
}
