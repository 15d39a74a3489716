package sse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Reasons why a stream ended. Others are a [*WriteError] and the cause of the request's context.
var (
	ErrClosed = errors.New("sse: the stream is closed")               // [Stream.Close] was called
	ErrMaxAge = errors.New("sse: the stream reached its maximum age") // see [Options.MaxAge]
)

// WriteError says that a write to the client failed: the client has disconnected, or did not read for
// [Options.WriteTimeout]. The stream has ended.
type WriteError struct{ Err error }

func (e *WriteError) Error() string {
	return "sse: writing to the client: " + e.Err.Error()
}

func (e *WriteError) Unwrap() error { return e.Err }

// Stream is the server's end of an event stream. Its methods are safe for concurrent use; concurrent calls never
// interleave their bytes. A method that sends returns when the connection has accepted the bytes. After the end of the
// stream it returns the reason: a [*WriteError], [ErrMaxAge], [ErrClosed], or the cause of the request's context.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	request *http.Request
	options Options
	ctx     context.Context // done at the end of the stream
	cancel  context.CancelCauseFunc

	mu             mutex // guards the following, and the response writer
	opened         bool  // the header has been sent
	failed         error // the *WriteError of a failed write
	ended          bool  // Close has been called
	buf            []byte
	lastWrite      time.Time
	keepAliveTimer *time.Timer
	maxAgeTimer    *time.Timer
}

// mutex is held during a write, which may wait long for the client. It is a channel so that a goroutine that waits for
// it counts as durably blocked in a testing/synctest bubble. With a sync.Mutex the bubble's clock would stop, and the
// write's deadline would never come.
type mutex chan struct{}

func (m mutex) lock()   { m <- struct{}{} }
func (m mutex) unlock() { <-m }

// Context is done at the end of the stream: when the client disconnects, [Options.MaxAge] is reached, a write fails, or
// Close is called. Its [context.Cause] is the reason. After a failed write the cause may be [context.Canceled] instead,
// because net/http also detects the failure.
func (s *Stream) Context() context.Context { return s.ctx }

// Request returns the request that the stream answers.
func (s *Stream) Request() *http.Request { return s.request }

// LastEventID returns the ID after which the client wants to resume, "" if it has none (WHATWG HTML 9.2.4).
func (s *Stream) LastEventID() string { return s.request.Header.Get(headerLastEventID) }

// Send sends an event. For an event that cannot be encoded it returns a [*FieldError] and writes nothing; the stream
// stays usable.
func (s *Stream) Send(e Event) error {
	s.mu.lock()
	defer s.mu.unlock()
	b, err := e.AppendTo(s.buf[:0])
	if err != nil {
		return err
	}
	s.buf = b
	return s.write(b)
}

// SendJSON sends an event of type typ whose data is v as JSON. For a value that cannot be encoded it returns an error
// and writes nothing; the stream stays usable.
func (s *Stream) SendJSON(typ string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("sse: event of type %.40q: %w", typ, err)
	}
	return s.Send(Event{Type: typ, Data: string(data)})
}

// SendFrame sends frames in one write. Without frames it acts as Flush.
func (s *Stream) SendFrame(frames ...Frame) error {
	s.mu.lock()
	defer s.mu.unlock()
	if len(frames) == 1 {
		return s.write(frames[0].bytes)
	}
	s.buf = s.buf[:0]
	for _, f := range frames {
		s.buf = append(s.buf, f.bytes...)
	}
	return s.write(s.buf)
}

// Comment sends text as comment lines, which clients ignore: see [AppendComment].
func (s *Stream) Comment(text string) error {
	s.mu.lock()
	defer s.mu.unlock()
	s.buf = AppendComment(s.buf[:0], text)
	return s.write(s.buf)
}

// Flush sends the header if it has not been sent. In a [Handler] this opens the client's connection at once.
func (s *Stream) Flush() error {
	s.mu.lock()
	defer s.mu.unlock()
	if s.opened {
		return s.endReason()
	}
	return s.write(nil)
}

// Close ends the stream. It waits for a write in progress and stops the timers, because a write after the handler has
// returned would panic inside net/http. The handler should return soon: net/http must send the end of the response
// within the server's WriteTimeout, or [Options.WriteTimeout] if the server has none. Close can be called more than
// once and always returns nil.
func (s *Stream) Close() error {
	s.cancel(ErrClosed)
	s.mu.lock()
	defer s.mu.unlock()
	if s.keepAliveTimer != nil {
		s.keepAliveTimer.Stop()
	}
	if s.maxAgeTimer != nil {
		s.maxAgeTimer.Stop()
	}
	if !s.ended {
		s.ended = true
		s.setFinalDeadlines()
	}
	return nil
}

// endReason returns why the stream has ended, nil if it has not. The caller holds mu.
func (s *Stream) endReason() error {
	if s.failed != nil || s.ctx.Err() == nil {
		return s.failed
	}
	return context.Cause(s.ctx)
}

// maxKept is the size, in bytes, of the largest buffer that a stream keeps for its next event.
const maxKept = 64 << 10

// write sends the header if necessary, then b, and flushes. The caller holds mu.
func (s *Stream) write(b []byte) error {
	if err := s.endReason(); err != nil {
		return err
	}
	s.lastWrite = time.Now()
	s.beginWrite()
	err := s.writeNow(b)
	s.endWrite()
	if cap(s.buf) > maxKept {
		s.buf = nil
	}
	if err != nil {
		s.failed = &WriteError{err}
		s.cancel(s.failed)
	}
	return s.failed
}

// liftDeadlines removes the deadlines that http.Server sets for the whole response. ReadTimeout would end the request's
// context, and on HTTP/2 WriteTimeout would end the stream, even while nothing is read or written.
//
// It enables full duplex because HTTP/1 otherwise reads the rest of the request's body before it sends the header. That
// read has no deadline here, and it takes bytes from a handler that is reading the body.
func (s *Stream) liftDeadlines() {
	_ = s.control.EnableFullDuplex()
	s.setReadDeadline(time.Time{})
	s.setWriteDeadline(time.Time{})
}

// setFinalDeadlines limits what net/http does after the handler has returned: it sends the end of the response and
// reads the rest of the request's body. The limit is the server's timeout, else Options.WriteTimeout.
//
// net/http resets the read deadline for the next request on the connection. It resets the write deadline only if the
// server has a WriteTimeout. If not, setHeader makes net/http close an HTTP/1 connection after the stream; a response
// that is no stream gets no write deadline, so that its connection can be reused.
func (s *Stream) setFinalDeadlines() {
	write, read := s.serverTimeout(writeTimeout), s.serverTimeout(readTimeout)
	if write <= 0 && (s.opened || s.request.ProtoMajor != 1) {
		write = s.options.WriteTimeout
	}
	if read <= 0 {
		read = s.options.WriteTimeout
	}
	if write > 0 {
		s.setWriteDeadline(time.Now().Add(write))
	}
	if read > 0 {
		s.setReadDeadline(time.Now().Add(read))
	}
}

func writeTimeout(s *http.Server) time.Duration { return s.WriteTimeout }
func readTimeout(s *http.Server) time.Duration  { return s.ReadTimeout }

// serverTimeout returns one of the server's timeouts, 0 if the request does not name its server.
func (s *Stream) serverTimeout(which func(*http.Server) time.Duration) time.Duration {
	if server, ok := s.request.Context().Value(http.ServerContextKey).(*http.Server); ok {
		return which(server)
	}
	return 0
}

// beginWrite sets the deadline of the next write. endWrite removes it, because on HTTP/2 a deadline that expires resets
// the stream even while nothing is written.
func (s *Stream) beginWrite() {
	if s.options.WriteTimeout > 0 {
		s.setWriteDeadline(time.Now().Add(s.options.WriteTimeout))
	}
}

func (s *Stream) endWrite() {
	if s.options.WriteTimeout > 0 {
		s.setWriteDeadline(time.Time{})
	}
}

// setWriteDeadline and setReadDeadline ignore errors: a response writer may lack deadlines, as in tests, and the next
// write reports a broken connection.
func (s *Stream) setWriteDeadline(t time.Time) { _ = s.control.SetWriteDeadline(t) }
func (s *Stream) setReadDeadline(t time.Time)  { _ = s.control.SetReadDeadline(t) }

func (s *Stream) writeNow(b []byte) error {
	if !s.opened {
		s.opened = true
		s.setHeader()
		s.w.WriteHeader(http.StatusOK)
		if s.options.Retry > 0 {
			if _, err := s.w.Write(AppendRetry(nil, s.options.Retry)); err != nil {
				return err
			}
		}
	}
	if len(b) > 0 {
		if _, err := s.w.Write(b); err != nil {
			return err
		}
	}
	return s.control.Flush()
}

// startTimers starts the timers for the keep-alive and the maximum age. The keep-alive first runs after first; it does
// not run if first is not positive.
func (s *Stream) startTimers(first time.Duration) {
	s.mu.lock()
	defer s.mu.unlock()
	if s.options.MaxAge > 0 {
		s.maxAgeTimer = time.AfterFunc(jittered(s.options.MaxAge), func() { s.cancel(ErrMaxAge) })
	}
	if first > 0 {
		s.keepAliveTimer = time.AfterFunc(first, s.keepAlive)
	}
}

// keepAlive sends the header if it has not been sent, or a comment if nothing was written for Options.KeepAlive. It
// then schedules itself for the time when the next comment may be due, so that sending an event needs no timer
// operation.
func (s *Stream) keepAlive() {
	s.mu.lock()
	defer s.mu.unlock()
	if s.endReason() != nil {
		return
	}
	defer s.recoverWrite()
	interval := s.options.KeepAlive
	switch {
	case !s.opened:
		_ = s.write(nil) // a failure ends the stream and becomes its cause
	case interval > 0 && time.Since(s.lastWrite) >= interval:
		_ = s.write(keepAliveComment)
	}
	if interval > 0 {
		s.keepAliveTimer.Reset(max(interval-time.Since(s.lastWrite), time.Millisecond))
	}
}

// recoverWrite turns a panic of the response writer into a failed write. net/http recovers a panic in a handler, but in
// a timer's goroutine a panic would end the program. The caller holds mu.
func (s *Stream) recoverWrite() {
	if p := recover(); p != nil {
		s.failed = &WriteError{fmt.Errorf("the response writer panicked: %v", p)}
		s.cancel(s.failed)
	}
}

// keepAliveComment has no blank line, because some clients dispatch an empty message at one.
var keepAliveComment = AppendComment(nil, "")
