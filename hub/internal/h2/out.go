package h2

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// outLimit is how many bytes of frames with data may wait to be sent.
const outLimit = 64 << 10

// frameHeader is the size of the header of a frame.
const frameHeader = 9

// frameWriter is the writer of a connection's Framer. It appends to out.
type frameWriter struct{ c *conn }

func (w frameWriter) Write(b []byte) (int, error) {
	w.c.beginOut()
	w.c.out = append(w.c.out, b...)
	return len(b), nil
}

// outs is the pool of the buffers of out. A connection without anything to send has none.
var outs sync.Pool

func (c *conn) beginOut() {
	if c.out != nil {
		return
	}
	if b, ok := outs.Get().(*[]byte); ok {
		c.out = (*b)[:0]
		return
	}
	c.out = make([]byte, 0, 4<<10)
}

func releaseOut(b []byte) {
	if cap(b) > 0 && cap(b) <= 4*outLimit {
		outs.Put(&b)
	}
}

// hasRoom reports whether out takes more data, after sending what it holds if necessary. The caller holds mu.
func (c *conn) hasRoom() bool {
	if len(c.out)+frameHeader >= outLimit {
		c.flush()
	}
	return c.err == nil && len(c.out)+frameHeader < outLimit
}

// appendData appends data of a stream to out: as much as the windows and the room allow. It returns how much. If end is set, the last byte ends
// the stream; with an empty b, an empty DATA frame ends it. The caller holds mu.
func (c *conn) appendData(st *Stream, b []byte, end bool) (n int) {
	for n < len(b) && c.hasRoom() {
		size := min(int64(len(b)-n), st.window, c.window, c.frameSize, int64(outLimit-len(c.out)-frameHeader))
		if size <= 0 {
			return n
		}
		part := b[n : n+int(size)]
		n += len(part)
		st.window -= size
		c.window -= size
		c.taken += size
		c.appendFrame(st.id, part, end && n == len(b))
	}
	if len(b) == 0 && end {
		c.appendFrame(st.id, nil, true)
	}
	return n
}

// appendFrame appends a DATA frame (RFC 9113, section 6.1). The Framer would copy the data once more.
func (c *conn) appendFrame(id uint32, data []byte, end bool) {
	c.beginOut()
	flags := byte(0)
	if end {
		flags = byte(http2.FlagDataEndStream)
	}
	c.out = append(c.out, byte(len(data)>>16), byte(len(data)>>8), byte(len(data)), byte(http2.FrameData), flags)
	c.out = binary.BigEndian.AppendUint32(c.out, id)
	c.out = append(c.out, data...)
}

// appendHeaders appends a header block, in as many frames as it needs. The caller holds mu.
func (c *conn) appendHeaders(id uint32, fields []hpack.HeaderField, end bool) {
	c.block.Reset()
	for _, f := range fields {
		_ = c.headers.WriteField(f) // writing to a buffer does not fail
	}
	b := c.block.Bytes()
	for first := true; first || len(b) > 0; first = false {
		part := b[:min(len(b), int(c.frameSize))]
		b = b[len(part):]
		if first {
			_ = c.frames.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: part, EndStream: end, EndHeaders: len(b) == 0,
			}) // frameWriter never fails
		} else {
			_ = c.frames.WriteContinuation(id, len(b) == 0, part) // as above
		}
	}
	if c.block.Cap() > largestFrame {
		c.block = bytes.Buffer{}
	}
}

// flush sends out. Where sends do not block, it sends itself, and only what the socket does not take is left to a goroutine. The caller holds
// mu.
func (c *conn) flush() {
	if c.writing || c.err != nil {
		return
	}
	if c.sock == nil {
		if len(c.out) > 0 {
			c.writing = true
			go c.drain()
			return
		}
		c.sentAll()
		return
	}
	for {
		empty, err := c.sock.Send()
		switch {
		case err != nil:
			c.broken(err)
			return
		case !empty:
			c.writing = true
			go c.drain()
			return
		case len(c.out) == 0:
			c.sentAll()
			return
		}
		if err := c.toSocket(); err != nil {
			c.broken(err)
			return
		}
	}
}

// flushSoon sends out when the other handlers that can run now have added their answers. The events of a commit are answered at the same time, and one
// write then serves all of them. The caller holds mu, which is free meanwhile.
func (c *conn) flushSoon() {
	switch {
	case c.gathering: // another handler sends
		return
	case c.handlers > 0:
		c.gathering = true
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		c.gathering = false
	}
	c.flush()
}

// toSocket moves out to the socket, which keeps it; TLS seals it on the way. The caller holds mu.
func (c *conn) toSocket() error {
	out := c.out
	c.out = nil
	var err error
	if c.secure != nil {
		_, err = c.secure.Write(out)
	} else {
		_, err = c.sock.Write(out)
	}
	releaseOut(out)
	return err
}

// drain waits for the socket until everything is sent.
func (c *conn) drain() {
	for {
		err := c.drainOnce()
		c.mu.Lock()
		if err != nil {
			c.writing = false
			c.broken(err)
			c.mu.Unlock()
			return
		}
		if len(c.out) == 0 || c.err != nil {
			c.writing = false
			c.flush()
			c.madeRoom()
			c.mu.Unlock()
			return
		}
		c.madeRoom()
		c.mu.Unlock()
	}
}

// drainOnce sends what the socket has kept, and out.
func (c *conn) drainOnce() error {
	timeout := c.server.o.WriteTimeout
	if c.sock != nil {
		if err := c.sock.Finish(timeout); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.out) == 0 {
			return nil
		}
		return c.toSocket()
	}
	c.mu.Lock()
	out := c.out
	c.out = nil
	c.mu.Unlock()
	defer releaseOut(out)
	for len(out) > 0 {
		part := out[:min(len(out), largestFrame)]
		out = out[len(part):]
		if timeout > 0 {
			if err := c.net.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
				return err
			}
		}
		if _, err := c.net.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// sentAll is called when nothing is left to send. The caller holds mu.
func (c *conn) sentAll() {
	if c.over || c.leaving && len(c.streams) == 0 && c.handlers == 0 {
		c.hangUp()
	}
}

// broken ends the connection, whose socket takes no more bytes. The caller holds mu.
func (c *conn) broken(err error) {
	c.fail(err)
	_ = c.net.SetReadDeadline(longAgo) // the reader ends; an error means that it ends anyway
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// madeRoom wakes the handlers and the streams that wait for room in out. The caller holds mu.
func (c *conn) madeRoom() {
	c.changed.Broadcast()
	c.line.unblock()
}
