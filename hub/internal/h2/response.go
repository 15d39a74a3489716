package h2

import (
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// response is the [http.ResponseWriter] of a request. One goroutine at a time uses it, except for the deadlines.
type response struct {
	st      *Stream
	request *http.Request
	isHead  bool

	header     http.Header
	status     int   // 0: not chosen yet
	fixed      []hf  // the header as it was when the status was chosen
	length     int64 // that the header announces; -1: none
	trailers   []string
	closes     bool // the handler wants the connection to be closed
	headerSent bool
	ended      bool
	detached   bool
	buf        []byte // of the body, from bufs
	written    int64
	waiting    time.Time // since when the client has taken nothing, while send waits; zero: it does not wait
	failed     error
}

// bodyBuffer is how many bytes of a body are gathered before they are sent. An answer that fits in has a Content-Length.
const bodyBuffer = 4 << 10

var bufs = sync.Pool{New: func() any { b := make([]byte, 0, bodyBuffer); return &b }}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// Write implements [http.ResponseWriter].
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.failed != nil:
		return 0, w.failed
	case w.ended && w.isHead:
		return len(b), nil
	case w.ended || w.detached:
		return 0, ErrEnded
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(b)); w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	if w.buf == nil {
		w.buf = *bufs.Get().(*[]byte)
	}
	if len(w.buf)+len(b) <= bodyBuffer {
		w.buf = append(w.buf, b...)
		return len(b), nil
	}
	if len(w.buf) == 0 {
		return len(b), w.send(b, false)
	}
	if err := w.send(w.buf, false); err != nil {
		return 0, err
	}
	w.buf = w.buf[:0]
	if len(b) <= bodyBuffer {
		w.buf = append(w.buf, b...)
		return len(b), nil
	}
	return len(b), w.send(b, false)
}

// WriteString implements [io.StringWriter].
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() } // a later Write returns the error

// FlushError is Flush for [http.ResponseController].
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	err := w.send(w.buf, false)
	w.buf = w.buf[:0]
	return err
}

// SetReadDeadline is for [http.ResponseController]: reads of the body fail after the deadline.
func (w *response) SetReadDeadline(by time.Time) error {
	return w.setDeadline(func(x *exchange) { x.readBy = by })
}

// SetWriteDeadline is for [http.ResponseController]: writes that have to wait fail after the deadline, and the answer is then broken off.
func (w *response) SetWriteDeadline(by time.Time) error {
	return w.setDeadline(func(x *exchange) { x.writeBy = by })
}

func (w *response) setDeadline(set func(*exchange)) error {
	c := w.st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.st.x == nil {
		return ErrEnded
	}
	set(w.st.x)
	c.changed.Broadcast()
	return nil
}

// EnableFullDuplex is for [http.ResponseController]. HTTP/2 is always full duplex.
func (w *response) EnableFullDuplex() error { return nil }

// send sends a part of the body, after the header. It waits for windows and for room.
func (w *response) send(b []byte, end bool) error {
	if w.failed != nil {
		return w.failed
	}
	c := w.st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.failed = w.addLocked(b, end); w.failed == nil {
		c.flush()
	}
	return w.failed
}

// addLocked is send without the last flush, for a caller that holds mu.
func (w *response) addLocked(b []byte, end bool) error {
	st, c := w.st, w.st.c
	w.waiting = time.Time{}
	if end {
		w.addTrailers()
	}
	if !w.headerSent {
		if err := w.awaitRoomForHeader(); err != nil {
			return err
		}
		w.headerSent = true
		all := end && len(b) == 0 && len(w.trailers) == 0 || w.isHead
		c.appendHeaders(st.id, w.head(b, end), all)
		if w.closes {
			c.leave()
		}
		if !st.gotEnd { // curl 7.88 loses an answer that comes in one piece with the reset of the request's body
			c.flush()
		}
		if all {
			w.ended = true
			c.endSent(st)
		}
	}
	for !w.ended {
		if err := st.failure(); err != nil {
			return err
		}
		last := end && len(w.trailers) == 0
		if n := c.appendData(st, b, last); n > 0 {
			b, w.waiting = b[n:], time.Time{}
		}
		if len(b) == 0 {
			if w.ended = end; last {
				c.endSent(st)
			} else if end {
				c.appendHeaders(st.id, w.trailer(), true)
				c.endSent(st)
			}
			break
		}
		if err := w.awaitRoom(); err != nil {
			return err
		}
	}
	return nil
}

// awaitRoomForHeader waits until out takes the header. Its error is that of a stream that takes none. The caller holds mu.
func (w *response) awaitRoomForHeader() error {
	for !w.st.c.hasRoom() {
		if err := w.awaitRoom(); err != nil {
			return err
		}
	}
	return w.st.failure()
}

// awaitRoom waits until the stream may take more. The caller holds mu.
func (w *response) awaitRoom() error {
	st := w.st
	st.c.flush()
	if err := st.failure(); err != nil {
		return err
	}
	by := w.takesBy()
	if st.x.expired(by) {
		return os.ErrDeadlineExceeded
	}
	st.c.await(by)
	return st.failure()
}

// takesBy returns when the answer is broken off, unless the client takes some of it: at the deadline of the handler, or after the write timeout.
func (w *response) takesBy() time.Time {
	by, limit := w.st.x.writeBy, w.st.c.server.o.WriteTimeout
	if limit <= 0 {
		return by
	}
	if w.waiting.IsZero() {
		w.waiting = time.Now()
	}
	if end := w.waiting.Add(limit); by.IsZero() || end.Before(by) {
		return end
	}
	return by
}

// run calls the handler of a request, and ends the answer.
func (c *conn) run(w *response, handler http.HandlerFunc) {
	returned := false
	defer func() {
		if !returned {
			c.logPanic(recover())
		}
		w.finish(returned)
	}()
	handler(w, w.request)
	returned = true
}

// logPanic logs the panic of a handler, as net/http does.
func (c *conn) logPanic(why any) {
	if why == nil || why == http.ErrAbortHandler { //nolint:errorlint // net/http compares it in the same way
		return
	}
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	c.server.logf("http2: panic serving %v: %v\n%s", c.remote, why, stack)
}

// finish ends the answer after the handler has returned, or breaks it off after a panic.
func (w *response) finish(returned bool) {
	st, c := w.st, w.st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handlers--; c.handlers < int(c.server.maxStreams) {
		c.refused = 0
	}
	defer c.flushSoon()
	defer w.release()
	if w.detached {
		return
	}
	x := st.x
	x.returned = true
	if st.err == nil && !st.sentEnd {
		if returned && w.status == 0 {
			w.WriteHeader(http.StatusOK)
		}
		if returned && w.failed == nil && (w.length < 0 || w.written == w.length || w.isHead || !bodyAllowed(w.status)) {
			w.failed = w.addLocked(w.buf, true)
		} else if w.failed == nil {
			w.failed = http.ErrAbortHandler
		}
		if w.failed != nil && st.err == nil && c.err == nil {
			c.reset(st.id, http2.ErrCodeInternal)
		}
	} else if st.err == nil && !st.gotEnd { // the answer is complete, and the client still sends a body that nobody reads: reset without error
		c.reset(st.id, http2.ErrCodeNo)
	}
	x.cancel()
	x.body.drop()
}

func (w *response) release() {
	if w.buf != nil {
		b := w.buf[:0]
		w.buf = nil
		bufs.Put(&b)
	}
}
