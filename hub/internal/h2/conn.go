package h2

import (
	"bytes"
	"cmp"
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
	began   time.Time
	frames  *http2.Framer // its writer is frameWriter

	mu      sync.Mutex // guards the following, and the writing side of frames
	changed sync.Cond  // broadcast when something has changed that a handler may wait for
	streams map[uint32]*Stream
	newest  uint32 // of the streams that the client has opened
	resets  recent // streams that were reset here, for which frames may be on their way

	handlers int // that have not returned
	refused  int // streams refused since a handler last returned, because too many handlers run
	idle     *time.Timer

	out         []byte // frames to be sent
	line        line   // streams that wait to send
	taken       int64  // bytes of data that went to out
	writing     bool   // a goroutine sends, and flush leaves it to it
	gathering   bool   // a handler that has returned sends soon, also for others
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
	_ = c.net.SetReadDeadline(time.Now().Add(cmp.Or(c.server.headerTime(), greetTime))) // an error means that the connection is closed, which reading finds
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
	if err == nil && c.hoards() {
		err = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if err == nil {
		err = c.err
	}
	return err
}

// hoards reports whether the client makes the hub keep more than data: it asks for answers, and does not read them. The caller holds mu.
func (c *conn) hoards() bool {
	if len(c.out) > 2*outLimit { // data takes at most outLimit
		return true
	}
	return c.sock != nil && c.sock.Left() > 4*outLimit // a whole out, sealed, and records with which crypto/tls answers new keys by itself
}

// recent are the IDs of the streams that were reset last.
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
