package fanout

import (
	"context"
	"net"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/blocks"
)

// Subscription is a request for events that was already authorized.
type Subscription struct {
	Selector eventlog.Selector

	// Filter names the selector's filter. Subscriptions with the same name and the same topics share their bytes, so their filters must
	// keep the same records. If Filter is empty, a filtered subscription shares nothing. Without a filter, the name is ignored.
	//
	// A filter must keep records with the flag End. Otherwise the stream stays open after its topics have ended. A filter or a matcher
	// that panics ends the process.
	Filter string

	From     Start
	Encoding Encoding

	// Heartbeat is the interval of heartbeats that are checkpoints. 0: control messages ControlHeartbeat, at Options.Heartbeat
	Heartbeat time.Duration

	Gzip      bool // the stream is compressed with gzip; it is not for Poll
	FailOnGap bool // a gap ends the stream, and one at its beginning is a *GapError
	Once      bool // the stream ends at the head; it is for Poll
	Limit     int  // a poll has at most this many events; 0: no limit

	Client Client
}

// Client is the receiver of a stream, as the caller of [Fanout.Open] knows it. Its methods must not block.
type Client interface {
	// Expires returns the time when the client's permission ends. Zero: never
	Expires() time.Time

	// Revoked reports whether the permission of the client was revoked. See [Fanout.EndRevoked].
	Revoked() bool

	// Boards returns what the stream watches. It always returns the same boards, each once; most streams have none.
	Boards() []Board

	// Closed is called once, when an attached stream has ended.
	Closed(End)
}

// End is how a stream ended.
type End struct {
	Bytes  int64 // sent after the header
	Reason Reason
}

// Socket is a connection whose writes block.
type Socket interface {
	// Write hands bytes to the connection. It returns os.ErrDeadlineExceeded if the client has accepted no bytes for the write timeout,
	// and another error if the client has disconnected.
	Write(b []byte) error

	// Abort makes a blocked write fail, and all later writes. It may be called at any time, also after Close.
	Abort()

	// Close is called once, after the last write.
	Close()
}

// Stream is a subscription whose beginning is known. The caller attaches it to a connection, serves it on a socket, or polls and then
// closes it.
type Stream struct {
	f      *Fanout
	client Client
	cursor *cursor
	gap    *Gap
	first  []byte // of the stream
	used   bool   // it is attached or closed
}

// Open determines where a subscription begins. It returns [ErrEnded] if no event can follow, [ErrDraining], [ErrUnreadable], a
// [*GapError], a [*KeyError], or an error of the log.
func (f *Fanout) Open(ctx context.Context, s *Subscription) (*Stream, error) {
	g := newGroup(s) // before the stream counts: code of an encoding or a matcher may panic
	for _, e := range []Encoding{s.Encoding, g.encoding} {
		if err := f.encodings.check(e); err != nil {
			return nil, err
		}
	}
	if err := f.enter(); err != nil {
		return nil, err
	}
	st := &Stream{f: f, client: s.Client, cursor: &cursor{f: f, group: g, sent: unsent, once: s.Once, bound: boundOf(s), failOnGap: s.FailOnGap}}
	opened := false
	defer func() {
		if !opened { // also when code of the log or of a matcher panics
			st.Close()
		}
	}()
	st.cursor.query.Selector = s.Selector
	if err := st.begin(ctx, s); err != nil {
		return nil, err
	}
	at := st.cursor.query.After
	if g.gzip {
		st.first = append(st.first, blocks.Header...)
	}
	if st.gap != nil { // before the position: a client that has the position is not told about the gap again
		st.first = append(st.first, g.control(Control{Kind: ControlGap, At: at, Gap: st.gap}).text...)
	}
	st.first = append(st.first, g.control(Control{Kind: ControlOpened, At: at, Retry: jitter(shortestReconnect, longestReconnect)}).text...)
	opened = true
	return st, nil
}

// At returns the position after which the stream begins.
func (st *Stream) At() eventlog.Position { return st.cursor.query.After }

// Query returns the log query that finds the events of the stream.
func (st *Stream) Query() eventlog.Query { return st.cursor.query }

// Gap returns the gap with which the stream begins, nil if there is none.
func (st *Stream) Gap() *Gap { return st.gap }

// Close ends a stream that is not attached. It does nothing to an attached stream.
func (st *Stream) Close() {
	if !st.used {
		st.used = true
		st.f.open.Done()
	}
}

// Attach gives the stream a connection, to which it first sends a header. early is the number of bytes that the client has already sent
// after its request.
func (st *Stream) Attach(conn net.Conn, header []byte, early int) {
	st.used = true
	if !st.attachDirect(conn, header, early) {
		st.attachConnection(conn, header)
	}
}

// Serve gives the stream a socket, and returns the function that ends the stream at once, because the client has disconnected.
func (st *Stream) Serve(out Socket) (abort func()) {
	st.used = true
	r := st.newRunner(out, st.first)
	r.admit()
	return r.disconnected
}

// subscriberOf returns a shard's state of the stream.
func (st *Stream) subscriberOf(s *shard, via delivery) subscriber {
	return subscriber{
		shard: s, group: st.cursor.group, client: st.client, via: via, id: st.f.count.open(), failOnGap: st.cursor.failOnGap,
	}
}

// Poll writes all events up to the head or the bound, and returns. It returns the first error of the log or of write.
func (st *Stream) Poll(ctx context.Context, write func([]byte) error) error {
	c := st.cursor
	b := append(buffers.get(), st.first...)
	defer func() { buffers.put(b) }()
	for now := more; now != atEnd; {
		var chunks []chunk
		var err error
		if chunks, now, err = c.next(ctx, pageBytes); err != nil {
			st.f.logUnreadable(ctx, c.query.After, err)
			return err
		}
		for _, made := range chunks {
			b = append(b, made.text...)
		}
		if err := write(b); err != nil {
			return err
		}
		st.f.count.sent(1, eventsIn(chunks), len(b))
		b = b[:0]
	}
	return nil
}
