package h2

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/http2"
)

// Stream is a stream of a connection. After [Detach] it belongs to the caller, who sends, flushes and closes it. All methods are safe for
// concurrent use, and none blocks.
type Stream struct {
	c  *conn
	id uint32

	// The mutex of the connection guards the following.
	window  int64     // how much data the client takes
	x       *exchange // the request and its answer; nil after Detach
	events  Events    // nil: nobody watches
	err     error     // why it has ended before its time
	gotEnd  bool      // the client has ended its side
	sentEnd bool      // this side has ended
	blocked bool      // the owner waits for Events.Writable
	place   place     // in the line of the connection
}

// Events are told what happens to a detached stream. Their methods must not block, and must not call the stream.
type Events interface {
	// Writable is called when Send may take more, after it has not taken everything or Room was 0. It may be called without need.
	Writable()

	// Ended is called once, when the client has reset the stream, or the connection has ended. slow says that the client has accepted no bytes for
	// the write timeout.
	Ended(slow bool)
}

// ErrEnded is the error of a stream that its owner has closed.
var ErrEnded = errors.New("h2: the stream is closed")

// Connection identifies the connection. It is the same for all streams of a connection, and can be compared.
func (st *Stream) Connection() any { return st.c }

// Send adds bytes to what the connection sends, as many as the windows of the client and the buffer take. [Stream.Flush] sends them.
func (st *Stream) Send(b []byte) (n int, err error) {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.err == nil && !st.sentEnd {
		if n = c.appendData(st, b, false); n > 0 {
			c.line.leave(st)
		}
		if n < len(b) {
			st.wait()
		} else if st.blocked { // others of its owner may still wait, and the event that makes room may have come before
			st.wait()
			st.unblock()
		}
	}
	if st.err == nil && st.sentEnd {
		return n, ErrEnded
	}
	return n, st.err
}

// Room returns how many bytes Send takes at least, or more than 0 if the stream has ended. If it is 0, Events.Writable is called when there is
// room.
func (st *Stream) Room() int {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.err != nil || st.sentEnd {
		return 1
	}
	room := int64(0)
	if c.hasRoom() {
		room = min(st.window, c.window, int64(outLimit-len(c.out)-frameHeader))
	}
	if st.blocked = false; room <= 0 {
		st.wait()
	}
	return int(max(room, 0))
}

// wait lets the stream wait in line, until unblock. The caller holds mu.
func (st *Stream) wait() {
	st.blocked = true
	st.c.line.join(st)
}

// Taken returns how many bytes the connection has taken from all its streams. It returns 0 if the flow-control window of this stream is empty: then the
// client, and not the other streams, holds it up.
func (st *Stream) Taken() int64 {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.window <= 0 {
		return 0
	}
	return c.taken
}

// Flush sends what the streams of the connection have added.
func (st *Stream) Flush() {
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	st.c.flush()
}

// Watch sets who is told what happens to the stream. A stream that has ended is reported at once.
func (st *Stream) Watch(events Events) {
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	if st.err != nil {
		events.Ended(isSlow(st.err))
		return
	}
	st.events = events
	st.unblock()
}

// Close ends the stream: with END_STREAM if it is complete, otherwise with a reset. The end leaves with the next Flush.
func (st *Stream) Close(complete bool) {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	st.events = nil
	switch {
	case st.err != nil || st.sentEnd:
	case complete:
		c.appendData(st, nil, true)
		c.endSent(st)
	default:
		c.reset(st.id, http2.ErrCodeCancel)
	}
}

// unblock tells the owner of a stream that Send may take more. The caller holds mu.
func (st *Stream) unblock() {
	if st.blocked && st.events != nil && st.window > 0 && st.c.window > 0 && len(st.c.out)+frameHeader < outLimit {
		st.blocked = false
		st.events.Writable()
	}
}

// endSent is called when END_STREAM was appended. The caller holds mu.
func (c *conn) endSent(st *Stream) {
	st.sentEnd = true
	if !st.gotEnd && (st.x == nil || st.x.returned) { // nobody reads the rest of the request (RFC 9113, section 8.1)
		c.reset(st.id, http2.ErrCodeNo)
		return
	}
	c.closeIfDone(st)
}

// closeIfDone removes a stream whose two sides have ended. The caller holds mu.
func (c *conn) closeIfDone(st *Stream) {
	if st.gotEnd && st.sentEnd {
		c.remove(st)
	}
}

// reset ends a stream with an error. The caller holds mu.
func (c *conn) reset(id uint32, code http2.ErrCode) {
	_ = c.frames.WriteRSTStream(id, code) // frameWriter never fails
	c.resets.add(id)
	if st := c.streams[id]; st != nil {
		c.drop(st, http2.StreamError{StreamID: id, Code: code})
	}
}

// drop ends a stream without telling the client. The caller holds mu.
func (c *conn) drop(st *Stream, err error) {
	st.err = err
	if st.x != nil {
		st.x.cancel()
	}
	if st.events != nil {
		st.events.Ended(isSlow(err))
		st.events = nil
	}
	c.remove(st)
	c.changed.Broadcast()
}

func isSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// remove forgets a stream. The caller holds mu.
func (c *conn) remove(st *Stream) {
	if c.streams[st.id] != st {
		return
	}
	delete(c.streams, st.id)
	c.line.leave(st)
	if len(c.streams) == 0 && c.err == nil {
		c.setIdle()
		c.setState(http.StateIdle)
		if c.server.brief.Load() {
			c.leave() // the caller flushes, as after each removed stream
		}
	}
}

// exchange is a request and its answer, while the handler runs. The mutex of the connection guards it.
type exchange struct {
	cancel     func() // of the request's context
	body       *body  // nil: the request has none
	trailer    http.Header
	gotTrailer http.Header
	readBy     time.Time // deadlines; zero: none
	writeBy    time.Time
	returned   bool // the handler has returned
}

// publishTrailers gives the handler the trailers of its request, at the end of the body.
func (x *exchange) publishTrailers() {
	maps.Copy(x.trailer, x.gotTrailer)
	x.gotTrailer = nil
}

func (*exchange) expired(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

// await waits until something has changed, or a deadline has passed. The caller holds mu, which is free meanwhile.
func (c *conn) await(by time.Time) {
	if !by.IsZero() {
		defer time.AfterFunc(time.Until(by), func() {
			c.mu.Lock() // or it could come before Wait, which would then miss it
			defer c.mu.Unlock()
			c.changed.Broadcast()
		}).Stop()
	}
	c.changed.Wait()
}

// failure returns the error of a stream that can no longer be written to. The caller holds mu.
func (st *Stream) failure() error {
	switch {
	case st.err != nil:
		return st.err
	case st.sentEnd:
		return ErrEnded
	case st.c.err != nil:
		return io.ErrClosedPipe
	}
	return nil
}
