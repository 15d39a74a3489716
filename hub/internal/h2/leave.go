package h2

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// lingering is how long the hub waits for the client to close the connection after the hub has closed its side. Otherwise the kernel might drop
// the last frames, because the client has sent something that was not read.
const lingering = time.Second

// briefly is lingering of a server that has no place for more connections.
const briefly = 200 * time.Millisecond

// end ends the connection and all its streams.
func (c *conn) end(err error) {
	c.mu.Lock()
	if code, ok := codeOf(err); ok && c.err == nil {
		_ = c.frames.WriteGoAway(c.newest, code, nil) // frameWriter never fails
		c.over = true
		c.flush()
		_ = c.net.SetReadDeadline(time.Now().Add(lingering)) // an error means that the connection is closed, which reading finds
		c.mu.Unlock()
		_, _ = io.Copy(io.Discard, io.LimitReader(c.in, connWindow)) // the connection ends in any case
		c.mu.Lock()
	}
	c.fail(err)
	c.mu.Unlock()
	_ = c.net.Close() // it has ended, so an error changes nothing
}

// codeOf returns the code of the GOAWAY frame for an error. ok is false if the client has ended the connection.
func codeOf(err error) (code http2.ErrCode, ok bool) {
	if bad, ok := errors.AsType[http2.ConnectionError](err); ok {
		return http2.ErrCode(bad), true
	}
	return http2.ErrCodeFrameSize, errors.Is(err, http2.ErrFrameTooLarge)
}

// fail makes all streams end. The caller holds mu.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	if c.err = err; err == nil || errors.Is(err, io.EOF) { // an end between two frames; bodies that are not complete must not take it for theirs
		c.err = io.ErrUnexpectedEOF
	}
	if c.idle != nil {
		c.idle.Stop()
	}
	for _, st := range c.streams {
		c.drop(st, c.err)
	}
	c.out = nil
	c.changed.Broadcast()
}

// refuse ends a connection that is not served.
func (c *conn) refuse(code http2.ErrCode) {
	var b bytes.Buffer
	_ = http2.NewFramer(&b, nil).WriteGoAway(0, code, nil)    // writing to a buffer does not fail
	_ = c.net.SetWriteDeadline(time.Now().Add(lingering))     // the connection ends in any case
	_, _ = c.net.Write(append(emptySettings(), b.Bytes()...)) // as above
	_ = c.net.Close()                                         // as above
}

// emptySettings returns the frame with which a server begins.
func emptySettings() []byte {
	var b bytes.Buffer
	_ = http2.NewFramer(&b, nil).WriteSettings() // writing to a buffer does not fail
	return b.Bytes()
}

// shutDown lets the connection end when its streams have ended. It first announces that and refuses no stream, because the client may have sent
// requests that are still on their way. When the client has answered a ping, it has read the announcement (RFC 9113, section 6.8).
func (c *conn) shutDown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving || c.err != nil {
		return
	}
	_ = errors.Join(c.frames.WriteGoAway(lastStream, http2.ErrCodeNo, nil), c.frames.WritePing(false, leavePing)) // frameWriter never fails
	c.flush()
	time.AfterFunc(lingering, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leave()
		c.flush()
	})
}

// lastStream is the largest number of a stream.
const lastStream = 1<<31 - 1

// leavePing is the content of the ping that follows the announcement. The hub sends no other pings.
var leavePing = [8]byte{'l', 'e', 'a', 'v', 'i', 'n', 'g'}

// leave tells the client to open no more streams. The connection ends when the streams have ended. The caller holds mu.
func (c *conn) leave() {
	if c.leaving || c.err != nil {
		return
	}
	c.leaving, c.last = true, c.newest
	_ = c.frames.WriteGoAway(c.last, http2.ErrCodeNo, nil) // frameWriter never fails
}

// firstRequest is how long a new connection is not taken for an idle one. It is the time that net/http has for that.
const firstRequest = 5 * time.Second

// leaveIfIdle lets a connection without streams end, unless its first request may be on its way.
func (c *conn) leaveIfIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams) == 0 && (c.newest > 0 || time.Since(c.began) >= firstRequest) {
		c.leave()
		c.flush()
	}
}

// hangUp closes the sending side, and gives the client some time to close the connection. The caller holds mu, and has nothing left to send.
func (c *conn) hangUp() {
	if c.hungUp {
		return
	}
	c.hungUp = true
	wait := lingering
	if c.server.brief.Load() {
		wait = briefly
	}
	_ = c.net.SetReadDeadline(time.Now().Add(wait)) // an error means that the connection is closed, which reading finds
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		go func() { // the last record of TLS may block
			_ = half.CloseWrite() // the connection ends in any case
			c.mu.Lock()
			defer c.mu.Unlock()
			c.flush()
		}()
	}
}

// setIdle starts or stops the timer of a connection without streams. The caller holds mu.
func (c *conn) setIdle() {
	limit := c.server.idleTime()
	switch {
	case limit == 0:
	case c.idle == nil:
		c.idle = time.AfterFunc(limit, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.streams) == 0 {
				c.leave()
				c.flush()
			}
		})
	case len(c.streams) == 0:
		c.idle.Reset(limit)
	default:
		c.idle.Stop()
	}
}

// setState tells the server's ConnState whether the connection has streams.
func (c *conn) setState(state http.ConnState) {
	if hook := c.server.hs.ConnState; hook != nil {
		hook(c.known, state)
	}
}
