package sse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Why a stream is over, besides what the request's context and the connection say.
var (
	ErrClosed = errors.New("sse: the stream is closed")
	ErrMaxAge = errors.New("sse: the stream has reached its maximum age")
)

// WriteError says that the client did not take what was sent: it has gone, or has let [Options.WriteTimeout]
// pass. The stream is over.
type WriteError struct{ Err error }

func (e *WriteError) Error() string {
	return "sse: the client did not take the event: " + e.Err.Error()
}

func (e *WriteError) Unwrap() error { return e.Err }

// Stream is the server's end of an event stream. Its methods are safe for concurrent use; what one call sends stays
// together. Each returns when the bytes have been handed to the connection. After the end of the stream each
// returns the reason: a [*WriteError], [ErrMaxAge], [ErrClosed], or that the request's context is done.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	request *http.Request
	options Options
	ctx     context.Context // done when the stream is over
	cancel  context.CancelCauseFunc

	mu     mutex // guards the following, and writing
	opened bool  // the header has been sent
	failed error // why a write failed
	ended  bool  // Close has been called
	buf    []byte
	last   time.Time   // of the last write
	tender *time.Timer // sends keep-alives
	ageing *time.Timer
}

// mutex is held while a write waits for its client, which may take long. It is a channel because one who waits for that
// counts as waiting in a testing/synctest bubble, unlike one who waits for a sync.Mutex: there the
// write's deadline would never come.
type mutex chan struct{}

func (m mutex) lock()   { m <- struct{}{} }
func (m mutex) unlock() { <-m }

// Context is done when the stream is over: the client has gone, [Options.MaxAge] is reached, a write failed, or
// the stream was closed. Its [context.Cause] is the reason; only for a write that failed it may be
// [context.Canceled] instead, because net/http notices that as well.
func (s *Stream) Context() context.Context { return s.ctx }

// Request returns the request that the stream answers.
func (s *Stream) Request() *http.Request { return s.request }

// LastEventID returns the position from which the client wants to go on, "" if it has none (WHATWG HTML 9.2.4).
func (s *Stream) LastEventID() string { return s.request.Header.Get(headerLastEventID) }

// Send sends an event. An event that cannot be sent gives a [*FieldError], writes nothing, and leaves the stream as
// it is.
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

// SendJSON sends an event of type typ with v as JSON. A value that is none writes nothing and leaves
// the stream as it is.
func (s *Stream) SendJSON(typ string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("sse: event of type %.40q: %w", typ, err)
	}
	return s.Send(Event{Type: typ, Data: string(data)})
}

// SendFrame sends frames in one write. Without any it is Flush.
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

// Comment sends text as comment lines, which clients ignore. No blank line follows: see [AppendComment].
func (s *Stream) Comment(text string) error {
	s.mu.lock()
	defer s.mu.unlock()
	s.buf = AppendComment(s.buf[:0], text)
	return s.write(s.buf)
}

// Flush sends the header if nothing has been sent. In a [Handler] it makes the client's connection open at once.
func (s *Stream) Flush() error {
	s.mu.lock()
	defer s.mu.unlock()
	if s.opened {
		return s.over()
	}
	return s.write(nil)
}

// Close ends the stream and the keep-alive. When it returns, nothing writes to the response any more, which
// would panic inside net/http once the handler has returned; so it waits for a write under way. The handler is to
// return soon: the end of the answer has WriteTimeout, or the server's own, from now. Close can be called more than once
// and always returns nil.
func (s *Stream) Close() error {
	s.cancel(ErrClosed)
	s.mu.lock()
	defer s.mu.unlock()
	if s.tender != nil {
		s.tender.Stop()
	}
	if s.ageing != nil {
		s.ageing.Stop()
	}
	if !s.ended {
		s.ended = true
		s.end()
	}
	return nil
}

// over returns why the stream is over, nil if it is not. The caller holds mu.
func (s *Stream) over() error {
	if s.failed != nil || s.ctx.Err() == nil {
		return s.failed
	}
	return context.Cause(s.ctx)
}

// maxKept is the size in bytes of the buffer that a stream keeps for its next event.
const maxKept = 64 << 10

// write sends the header if need be, then b, at once. The caller holds mu.
func (s *Stream) write(b []byte) error {
	if err := s.over(); err != nil {
		return err
	}
	s.last = time.Now()
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

// liftDeadlines lifts what http.Server has set for the whole answer. Its ReadTimeout would end the request's context,
// its WriteTimeout, on HTTP/2, the stream, whether or not anything is read or written then.
//
// On HTTP/1 the header waits, without a deadline, for a body that has been announced and not read, and what somebody
// is reading of it by then is lost. With full duplex it does not.
func (s *Stream) liftDeadlines() {
	_ = s.control.EnableFullDuplex()
	s.setReadDeadline(time.Time{})
	s.setWriteDeadline(time.Time{})
}

// end gives net/http a time for what it does when the handler has returned: sending the end of the answer, and reading what
// is left of the request's body. It is the server's own timeout if there is one, else ours. net/http sets a deadline for
// reading anew for the next request on the connection, and one for writing if it has a timeout. If not, a
// connection of HTTP/1 that has served a stream is closed (see setHeader), and an answer that became none has no deadline.
func (s *Stream) end() {
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

// serverTimeout returns one of the server's timeouts, 0 if the server is not known.
func (s *Stream) serverTimeout(which func(*http.Server) time.Duration) time.Duration {
	if server, ok := s.request.Context().Value(http.ServerContextKey).(*http.Server); ok {
		return which(server)
	}
	return 0
}

// beginWrite gives the next write its time, endWrite lifts that again, for HTTP/2's sake.
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

// setWriteDeadline and setReadDeadline do what they can: a response writer without deadlines, such as a test's, is no
// error, and a broken connection says so when it is written to.
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

// tend starts what the stream does by itself. The first look is after first, if positive.
func (s *Stream) tend(first time.Duration) {
	s.mu.lock()
	defer s.mu.unlock()
	if s.options.MaxAge > 0 {
		s.ageing = time.AfterFunc(jittered(s.options.MaxAge), func() { s.cancel(ErrMaxAge) })
	}
	if first > 0 {
		s.tender = time.AfterFunc(first, s.keepAlive)
	}
}

// keepAlive opens the stream if nothing has, sends a comment if nothing else was sent for long, and comes again
// when the next may be due. Sending an event therefore costs no timer operation.
func (s *Stream) keepAlive() {
	s.mu.lock()
	defer s.mu.unlock()
	if s.over() != nil {
		return
	}
	defer s.survive()
	interval := s.options.KeepAlive
	switch {
	case !s.opened:
		_ = s.write(nil) // like any failed write it ends the stream and is its cause
	case interval > 0 && time.Since(s.last) >= interval:
		_ = s.write(keepAliveComment)
	}
	if interval > 0 {
		s.tender.Reset(max(interval-time.Since(s.last), time.Millisecond))
	}
}

// survive turns a panic of the response writer into a failed write. In a handler net/http recovers it; in a timer's
// goroutine it would end the program. The caller holds mu.
func (s *Stream) survive() {
	if p := recover(); p != nil {
		s.failed = &WriteError{fmt.Errorf("the response writer panicked: %v", p)}
		s.cancel(s.failed)
	}
}

// keepAliveComment has no blank line, at which some clients would dispatch an empty message.
var keepAliveComment = AppendComment(nil, "")
