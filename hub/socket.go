package hub

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// response is a [fanout.Socket] that writes to an [http.ResponseWriter].
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration

	multiplexed bool // HTTP/2: a connection has several streams

	panicked any // from a ResponseWriter of an embedder's middleware

	aborted atomic.Bool
	mu      sync.Mutex    // held to use control outside Write, so that nothing does after Close
	done    chan struct{} // closed by Close: the handler may return
}

var _ fanout.Socket = (*response)(nil)

// openSocket writes the header of a response. If complete is set, the client can distinguish the end of the response from a broken
// connection.
func openSocket(w http.ResponseWriter, r *http.Request, enc Encoding, complete bool, timeout time.Duration) (*response, error) {
	s := &response{w: w, control: http.NewResponseController(w), timeout: timeout, multiplexed: r.ProtoMajor > 1, done: make(chan struct{})}
	// The read deadline of the server would end every stream. Writers that do not support deadlines have none.
	// It stays for a complete response to a request with a body, because net/http reads the body before it sends the header.
	if !complete || r.ContentLength == 0 || r.Method == MethodQuery {
		if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, fmt.Errorf("removing the read deadline: %w", err)
		}
	}
	enc.Header(w.Header())
	if r.ProtoMajor == 1 && !complete {
		// Without chunks, ended by closing the connection (RFC 9112, section 6.3): all subscribers get the same bytes.
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "identity")
	}
	w.WriteHeader(http.StatusOK)
	return s, nil
}

func (s *response) Write(b []byte) (err error) {
	defer func() {
		if s.panicked = recover(); s.panicked != nil {
			err = fanout.ErrAborted
		}
	}()
	if err := s.control.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if s.aborted.Load() { // after setting the deadline, which may have replaced the one of Abort
		return fanout.ErrAborted
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil || !s.multiplexed {
		return err
	}
	// On HTTP/2 an expired deadline resets the stream, even if no write is in progress.
	if err := s.control.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func (s *response) Abort() {
	s.aborted.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done: // net/http owns the connection again
	default:
		_ = s.control.SetWriteDeadline(longAgo) // an error means that the connection is closed already
	}
}

func (s *response) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.done)
}
