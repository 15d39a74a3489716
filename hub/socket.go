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

// response is a [fanout.Socket] over net/http, of any version of HTTP.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration

	multiplexed bool // one of several streams on a connection

	panicked any // by a writer that an embedder has put in between

	aborted atomic.Bool
	mu      sync.Mutex    // held to use control outside Write, so that nothing does after Close
	done    chan struct{} // closed by Close: the handler may return
}

var _ fanout.Socket = (*response)(nil)

// openSocket begins the answer. A complete answer is sent so that a client can tell its end from that of the hub.
func openSocket(w http.ResponseWriter, r *http.Request, enc Encoding, complete bool, timeout time.Duration) (*response, error) {
	s := &response{w: w, control: http.NewResponseController(w), timeout: timeout, multiplexed: r.ProtoMajor > 1, done: make(chan struct{})}
	// The deadlines of a server would end every stream. A writer without deadlines has none to lift.
	// The read deadline stays for a complete answer to a request with a body: net/http reads the body before it sends the header.
	if !complete || r.ContentLength == 0 || r.Method == methodQuery {
		if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, fmt.Errorf("lifting the read deadline: %w", err)
		}
	}
	enc.Header(w.Header())
	if r.ProtoMajor == 1 && !complete {
		// Not chunked, and ended by the end of the connection: every subscriber gets the same bytes (RFC 9112, section 6.3).
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
	if s.aborted.Load() { // after the deadline, which might replace that of Abort
		return fanout.ErrAborted
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil || !s.multiplexed {
		return err
	}
	// On HTTP/2 a deadline that passes resets the stream, also while nothing is written.
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
	case <-s.done: // net/http has it back
	default:
		_ = s.control.SetWriteDeadline(longAgo) // a client that has disconnected needs none
	}
}

func (s *response) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.done)
}
