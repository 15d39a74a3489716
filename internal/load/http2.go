package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Connector is the connector for HTTP/2. Groups of Options.Streams subscribers share a connection. net/http would use a goroutine and a pipe for
// each stream; here one goroutine reads the connection, and passes the data on without copying it. Reading is in http2_read.go.
type http2Connector struct {
	run     *run
	buffer  int // bytes that are read at a time
	running sync.WaitGroup

	mu     sync.Mutex // guards the following
	groups map[int]*http2Conn
	conns  map[*http2Conn]struct{}
}

const (
	smallestBuffer = 16 << 10 // a record of TLS has no more
	largestBuffer  = 128 << 10
	allBuffers     = 256 << 20 // of all connections together, unless the smallest buffers need more
)

func newHTTP2Connector(r *run) *http2Connector {
	conns := len(r.subscribers)/r.Streams + 1
	return &http2Connector{
		run: r, buffer: max(min(allBuffers/conns, largestBuffer), smallestBuffer),
		groups: make(map[int]*http2Conn), conns: make(map[*http2Conn]struct{}),
	}
}

// shard returns the shard of a subscriber. A group of subscribers has one, so that its lock guards their connection.
func (s *http2Connector) shard(sub *subscriber) *shard {
	return s.run.shards[sub.number/s.run.Streams%len(s.run.shards)]
}

func (s *http2Connector) open(sub *subscriber, req *http.Request) {
	c := s.conn(sub)
	st := &http2Stream{conn: c, sub: sub, request: req}
	sub.wire = st
	c.count++
	c.waiting = append(c.waiting, st)
	c.begin()
}

// conn returns the connection that has room for another stream of a subscriber's group.
func (s *http2Connector) conn(sub *subscriber) *http2Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	group := sub.number / s.run.Streams
	if c := s.groups[group]; c != nil && !c.ended && !c.leaving && c.count < c.limit {
		return c
	}
	c := s.newConn(sub)
	s.groups[group], s.conns[c] = c, struct{}{}
	s.running.Go(func() { c.serve(sub.number) })
	return c
}

func (s *http2Connector) newConn(sub *subscriber) *http2Conn {
	c := &http2Conn{s: s, shard: sub.shard, limit: s.run.Streams, next: 1}
	c.encoder = hpack.NewEncoder(&c.block)
	c.in.buf = make([]byte, s.buffer)
	c.frames = http2.NewFramer(http2Out{c}, &c.in)
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	c.frames.SetReuseFrames()
	return c
}

func (s *http2Connector) drop(sub *subscriber) {
	st := sub.wire.(*http2Stream)
	if st.id != 0 {
		_ = st.conn.frames.WriteRSTStream(st.id, http2.ErrCodeCancel) // http2Out never fails
		st.conn.send()
	}
	st.forget()
}

func (s *http2Connector) stop() {
	s.mu.Lock()
	for c := range s.conns {
		c.close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// http2Conn is a connection. The lock of its shard guards it, except for in, which belongs to the goroutine of serve.
type http2Conn struct {
	s     *http2Connector
	shard *shard
	in    http2In

	streams []*http2Stream // by number: 1, 3, 5, …; nil: ended
	waiting []*http2Stream // until the hub has said how many it allows
	count   int            // streams that are open, or wait
	limit   int            // of count
	next    uint32         // number of the next stream
	ready   bool           // the hub has sent its settings
	leaving bool           // the hub accepts no more streams on this connection
	ended   bool
	taken   uint32 // bytes received and not given back to the window of the connection

	frames  *http2.Framer // its writer is http2Out
	encoder *hpack.Encoder
	block   bytes.Buffer // the output of encoder
	out     []byte       // frames to be sent
	sending bool         // a goroutine sends

	netMu sync.Mutex // guards net; may be locked after the others
	net   net.Conn   // nil: there is none yet
	done  bool       // closed
}

// http2Stream is a stream of a subscriber.
type http2Stream struct {
	conn    *http2Conn
	sub     *subscriber // nil: ended
	request *http.Request
	id      uint32 // 0: the request was not sent
	answer  http2Answer
	taken   uint32 // bytes received and not given back to the window
}

// forget ends a stream.
func (st *http2Stream) forget() {
	if st.sub == nil {
		return
	}
	st.answer.stop()
	st.sub = nil
	st.conn.count--
	if st.id != 0 {
		st.conn.streams[st.id/2] = nil
	}
}

// end ends a stream, and reports the reason.
func (st *http2Stream) end(err error) {
	sub := st.sub
	if sub == nil {
		return
	}
	err = st.answer.cause(err)
	st.forget()
	st.conn.s.run.closed(sub, err)
}

// http2Out is the writer of a connection's Framer.
type http2Out struct{ c *http2Conn }

func (w http2Out) Write(b []byte) (int, error) {
	w.c.out = append(w.c.out, b...)
	return len(b), nil
}

// send sends out, in a goroutine that ends when nothing is left, because a full socket must not hold up the reader.
func (c *http2Conn) send() {
	if c.sending || c.ended || len(c.out) == 0 || c.conn() == nil {
		return
	}
	c.sending = true
	c.s.running.Go(func() {
		var b []byte
		for {
			c.shard.lock()
			b, c.out = c.out, b[:0]
			c.sending = len(b) > 0
			c.shard.unlock()
			if len(b) == 0 {
				return
			}
			if _, err := c.conn().Write(b); err != nil {
				c.close() // the reader reports the end
			}
		}
	})
}

// begin sends the requests of the streams that wait, once the hub has said how many it allows.
func (c *http2Conn) begin() {
	if !c.ready {
		return
	}
	waiting := c.waiting
	c.waiting = nil
	for _, st := range waiting {
		sub := st.sub
		switch {
		case sub == nil:
		case c.leaving || len(c.streams) > maxRequests || c.count > c.limit:
			c.leaving = c.leaving || len(c.streams) > maxRequests
			st.forget()
			c.s.open(sub, st.request) // on another connection
		default:
			c.start(st)
		}
	}
	c.send()
}

// maxRequests is how many streams a connection has in its life.
const maxRequests = 1 << 20

// start sends the request of a stream.
func (c *http2Conn) start(st *http2Stream) {
	st.id = c.next
	c.next += 2
	c.streams = append(c.streams, st)
	u := st.request.URL
	c.block.Reset()
	c.field(":method", st.request.Method)
	c.field(":scheme", u.Scheme)
	c.field(":authority", u.Host)
	c.field(":path", u.RequestURI())
	for name, values := range st.request.Header {
		for _, value := range values {
			c.field(strings.ToLower(name), value)
		}
	}
	st.request = nil
	const most = 16 << 10 // of a frame
	first := c.block.Next(most)
	_ = c.frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: st.id, BlockFragment: first, EndStream: true, EndHeaders: c.block.Len() == 0,
	}) // http2Out never fails
	for c.block.Len() > 0 {
		part := c.block.Next(most)
		_ = c.frames.WriteContinuation(st.id, c.block.Len() == 0, part) // as above
	}
}

func (c *http2Conn) field(name, value string) {
	_ = c.encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) // writing to a buffer does not fail
}

// serve dials, and reads until the end of the connection.
func (c *http2Conn) serve(number int) {
	err := c.dial(c.s.run.ctx, number)
	if err == nil {
		err = c.greet()
	}
	for err == nil {
		err = c.read()
	}
	c.close()
	c.s.mu.Lock()
	delete(c.s.conns, c)
	c.s.mu.Unlock()
	c.shard.lock()
	defer c.shard.unlock()
	c.ended = true
	for _, st := range c.waiting {
		st.end(err)
	}
	for _, st := range c.streams {
		if st != nil {
			st.end(err)
		}
	}
}

var (
	errNoHTTP2    = errors.New("the hub does not speak HTTP/2")
	errPlainHTTP1 = errors.New("the hub does not accept HTTP/2 without TLS: it answers with HTTP/1.1")
)

func (c *http2Conn) dial(ctx context.Context, number int) error {
	r := c.s.run
	conn, err := r.dial(ctx, live, number, hostPort(r.subscribe))
	if err != nil {
		return err
	}
	if r.subscribe.Scheme == "https" {
		config := r.TLS.Clone()
		if config == nil {
			config = new(tls.Config)
		}
		config.NextProtos = []string{http2.NextProtoTLS, "http/1.1"} // with HTTP/2 alone, other hubs end the handshake
		if config.ServerName == "" {
			config.ServerName = r.subscribe.Hostname()
		}
		secure := tls.Client(buffered{conn, bufio.NewReaderSize(conn, c.s.buffer)}, config) // TLS itself reads one record at a time
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // the handshake has failed
			return err
		}
		if secure.ConnectionState().NegotiatedProtocol != http2.NextProtoTLS {
			_ = conn.Close() // nothing was written
			return errNoHTTP2
		}
		conn = secure
	}
	c.in.conn = conn
	c.netMu.Lock()
	defer c.netMu.Unlock()
	if c.done {
		return errors.Join(net.ErrClosed, conn.Close())
	}
	c.net = conn
	return nil
}

// buffered is a connection with a buffer for reading.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

// conn returns the connection, nil if there is none yet.
func (c *http2Conn) conn() net.Conn {
	c.netMu.Lock()
	defer c.netMu.Unlock()
	return c.net
}

// close closes the connection, which ends serve.
func (c *http2Conn) close() {
	c.netMu.Lock()
	defer c.netMu.Unlock()
	if c.done = true; c.net != nil {
		_ = c.net.Close() // it is not used any more
	}
}
