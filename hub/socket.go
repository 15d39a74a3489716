package hub

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// socket is how bytes leave to one subscriber.
type socket interface {
	// write hands bytes to the connection, and returns an error when the subscriber has gone or takes nothing.
	write(b []byte) error

	// abort ends a write that is waiting, and those that come. It may be called at any time, also after close.
	abort()

	// close is called once, after the last write.
	close()
}

// errAborted is that of writes after abort.
var errAborted = errors.New("the stream was broken off")

// response is a socket over net/http, of any version of HTTP.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration

	multiplexed bool // one of several streams on a connection

	panicked any // by a writer that an embedder has put in between

	aborted atomic.Bool
	mu      sync.Mutex    // held by who uses control besides write, so that nobody does after close
	done    chan struct{} // closed by close: the handler may return
}

// streamHeader prepares the header of a stream.
func streamHeader(h http.Header, f form) {
	h.Set("Content-Type", streamType)
	if f == ndjson {
		h.Set("Content-Type", ndjsonType)
	}
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx, and what behaves like it, would buffer
}

// openSocket begins the answer. One that is complete at some time is sent so that a client can tell its end from that of the hub.
func openSocket(w http.ResponseWriter, r *http.Request, f form, complete bool, timeout time.Duration) (*response, error) {
	s := &response{w: w, control: http.NewResponseController(w), timeout: timeout, multiplexed: r.ProtoMajor > 1, done: make(chan struct{})}
	// Deadlines of the server would end every stream. Where there are none nothing has to be lifted.
	// That of a body that nobody has read stays for an answer that is complete: net/http reads it before it sends the header.
	if !complete || r.ContentLength == 0 || r.Method == methodQuery {
		if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, fmt.Errorf("lifting the read deadline: %w", err)
		}
	}
	streamHeader(w.Header(), f)
	if r.ProtoMajor == 1 && !complete {
		// Not chunked, and ended by the end of the connection: every subscriber gets the same bytes (RFC 9112, 6.3).
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "identity")
	}
	w.WriteHeader(http.StatusOK)
	return s, nil
}

func (s *response) write(b []byte) (err error) {
	defer func() {
		if s.panicked = recover(); s.panicked != nil {
			err = errAborted
		}
	}()
	if err := s.control.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if s.aborted.Load() { // after the deadline, which might replace that of abort
		return errAborted
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil || !s.multiplexed {
		return err
	}
	// On HTTP/2 a deadline that passes resets the stream, also when nothing is being written.
	if err := s.control.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func (s *response) abort() {
	s.aborted.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done: // net/http has it back
	default:
		_ = s.control.SetWriteDeadline(longAgo) // one that has gone needs none
	}
}

func (s *response) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.done)
}

// buffers are what frames are gathered in. Who waits has none.
var buffers bufferPool

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 4<<10)
}

// put takes a buffer back, unless one event has made it very large.
func (p *bufferPool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= 4*pageBytes {
		p.pool.Put(&b)
	}
}
