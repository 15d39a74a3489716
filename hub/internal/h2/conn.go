package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// conn is a connection. The goroutine of serve reads it; all others only write, through out.
type conn struct {
	server  *server
	known   net.Conn     // as net/http knows it
	net     net.Conn     // the same, or a layer above it
	in      io.Reader    // net, or a buffer for it
	sock    *socket.Conn // the socket of net, or below it; nil: flush needs a goroutine, because writes block
	secure  *tls.Conn    // net, if it is TLS over sock
	handler http.Handler
	base    context.Context
	remote  string
	frames  *http2.Framer // its writer is frameWriter

	mu      sync.Mutex // guards the following, and the writing side of frames
	changed sync.Cond  // broadcast when something has changed that a handler may wait for
	streams map[uint32]*Stream
	newest  uint32 // of the streams that the client has opened
	resets  recent // streams that were reset here, for which frames may be on their way

	handlers int // that have not returned
	refused  int // streams refused because of handlers, since one has returned
	idle     *time.Timer

	out         []byte // frames to be sent
	writing     bool   // a goroutine sends, and flush leaves it to it
	window      int64  // how much data the client takes on all streams together
	firstWindow int64  // the window of a new stream
	frameSize   int64  // of the largest frame that is sent
	returned    int64  // bytes of bodies that were read, for the client's window of the connection
	received    int64  // how much the client may send on all streams together
	headers     *hpack.Encoder
	block       bytes.Buffer // the output of headers

	leaving bool // GOAWAY was sent: no stream above last is accepted, and the connection ends when the streams have ended
	last    uint32
	over    bool  // the connection ends when everything is sent
	hungUp  bool  // the sending side is closed, and nothing more is read than what is on its way
	err     error // why the connection has ended; nil: it has not
}

// lingering is how long the hub waits for the client to close the connection after the hub has closed its side. Otherwise the kernel might drop
// the last frames, because the client has sent something that was not read.
const lingering = time.Second

// serve serves a connection until it ends. withPreface says that the client's preface was not read yet.
func (c *conn) serve(withPreface bool) {
	c.begin()
	defer c.server.remove(c)
	if !c.server.add(c) {
		c.shutDown()
	}
	err := c.greet(withPreface)
	for err == nil {
		err = c.readFrame()
	}
	c.end(err)
}

// begin prepares the connection, and sends the settings.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = http2.NewFramer(frameWriter{c}, c.in)
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	c.frames.MaxHeaderListSize = c.server.maxHeaderList()
	c.frames.SetMaxReadFrameSize(largestFrame)
	c.frames.SetReuseFrames()
	c.headers = hpack.NewEncoder(&c.block)
	c.received = defaultWindow
	_ = c.frames.WriteSettings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: c.server.maxStreams},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: c.server.maxHeaderList()},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: bodyWindow},
	) // frameWriter never fails
	c.grant(0, &c.received, connWindow-defaultWindow)
	c.setIdle()
	c.flush()
}

// greet reads the client's preface and its settings.
func (c *conn) greet(withPreface bool) error {
	_ = c.net.SetReadDeadline(time.Now().Add(greetTime)) // an error means that the connection is closed, which reading finds
	defer c.readWithoutDeadline()
	if withPreface {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c.in, preface); err != nil {
			return err
		}
		if string(preface) != http2.ClientPreface {
			return fmt.Errorf("the client does not speak HTTP/2: it begins with %q", preface)
		}
	}
	header, err := c.frames.ReadFrameHeader()
	if err == nil && header.Type != http2.FrameSettings {
		err = http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if err != nil {
		return err
	}
	return c.readPayload(header)
}

// readWithoutDeadline removes the deadline for reading, unless the connection is about to end.
func (c *conn) readWithoutDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hungUp && c.err == nil {
		_ = c.net.SetReadDeadline(time.Time{}) // an error means that the connection is closed, which reading finds
	}
}

// readFrame reads a frame and processes it.
func (c *conn) readFrame() error {
	header, err := c.frames.ReadFrameHeader()
	if err != nil {
		return err
	}
	if limit := c.server.headerTime(); limit > 0 && header.Type == http2.FrameHeaders {
		c.mu.Lock()
		if !c.hungUp && c.err == nil {
			_ = c.net.SetReadDeadline(time.Now().Add(limit)) // an error means that the connection is closed, which reading finds
		}
		c.mu.Unlock()
		defer c.readWithoutDeadline()
	}
	return c.readPayload(header)
}

// readPayload reads the rest of a frame and processes it. An error of a stream resets the stream.
func (c *conn) readPayload(header http2.FrameHeader) error {
	f, err := c.frames.ReadFrameForHeader(header)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = c.process(f)
	}
	if bad, ok := errors.AsType[http2.StreamError](err); ok {
		if header.Type == http2.FrameHeaders { // a malformed header also uses its number
			c.newest = max(c.newest, bad.StreamID)
		}
		c.reset(bad.StreamID, bad.Code)
		err = nil
	}
	c.flush()
	if err == nil && len(c.out) > 2*outLimit { // data takes at most outLimit
		err = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if err == nil {
		err = c.err
	}
	return err
}

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
	if c.err = err; c.err == nil {
		c.err = io.EOF
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

// shutDown lets the connection end when its streams have ended.
func (c *conn) shutDown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave()
	c.flush()
}

// leave tells the client to open no more streams. The connection ends when the streams have ended. The caller holds mu.
func (c *conn) leave() {
	if c.leaving || c.err != nil {
		return
	}
	c.leaving, c.last = true, c.newest
	_ = c.frames.WriteGoAway(c.last, http2.ErrCodeNo, nil) // frameWriter never fails
}

// hangUp closes the sending side, and gives the client some time to close the connection. The caller holds mu, and has nothing left to send.
func (c *conn) hangUp() {
	if c.hungUp {
		return
	}
	c.hungUp = true
	_ = c.net.SetReadDeadline(time.Now().Add(lingering)) // an error means that the connection is closed, which reading finds
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

// recent are the newest numbers that were added.
type recent struct {
	ids  [32]uint32
	next int
}

func (r *recent) add(id uint32) {
	r.ids[r.next%len(r.ids)] = id
	r.next++
}

func (r *recent) has(id uint32) bool {
	for _, one := range r.ids {
		if one == id && id != 0 {
			return true
		}
	}
	return false
}
