package sse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// ErrStop, returned by a [Handler]'s function before it has sent anything, makes the answer 204 No Content, on
// which EventSource and [Client] stop for good. Later it ends the stream like nil; the next request can be
// answered with it.
var ErrStop = errors.New("sse: there is no more to come")

// StatusError, returned by a [Handler]'s function before it has sent anything, makes the answer an error.
type StatusError struct {
	Code    int    // 400 to 599
	Message string // for the client, as plain text
}

func (e *StatusError) Error() string { return fmt.Sprintf("sse: status %d: %s", e.Code, e.Message) }

// openAfter is when a Handler's stream opens although its function has sent nothing: late enough for a decision
// that takes a look into a database to still become a status, early enough that nobody wonders.
const openAfter = time.Second

// Handler returns a handler that answers each request with a stream and calls f for it. The stream is closed when
// f returns.
//
// The header leaves with the first thing that f sends, [Stream.Flush] included, or by itself after one second.
//
// What f returns before that becomes the answer's status: [ErrStop] 204, a [*StatusError] its code, any other error
// 500, and is logged; nil gives an empty stream.
//
// What f returns after that ends the stream: nil, ErrStop and [ErrMaxAge] cleanly; any other error breaks it off, so
// that a client can tell it from a whole one, and is logged, except for one of the stream itself when the client has
// gone or is stuck. Clients reconnect after either.
//
// HEAD is answered without calling f. Errors are logged by [slog.Default]. A response writer that cannot flush gives
// 500. HTTP/1.0, and a response writer without deadlines, cannot break off: the stream then ends as if whole.
func Handler(o *Options, f func(*Stream) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := newStream(w, r, o)
		if err != nil {
			report(r, err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		if r.Method == http.MethodHead {
			defer s.Close()
			s.setHeader()
			return
		}
		first := openAfter
		if s.options.KeepAlive > 0 {
			first = min(first, s.options.KeepAlive)
		}
		s.tend(first)
		returned := false
		defer func() {
			// Middleware may recover a panic of f; the stream must not look whole then.
			if _ = s.Close(); !returned && s.opened {
				s.breakOff()
			}
		}()
		err = f(s)
		over := context.Cause(s.ctx)
		_ = s.Close() // always nil; from here on the response is this goroutine's alone
		s.finish(err, over)
		returned = true
	})
}

// finish turns what the handler's function returned into the end of the answer. The stream is closed; over is why it was
// over before that, nil if it was not.
func (s *Stream) finish(err, over error) {
	if errors.Is(err, ErrMaxAge) || errors.Is(err, context.Canceled) && (errors.Is(over, ErrMaxAge) || errors.Is(over, ErrClosed)) {
		err = nil // the stream ended as planned, and the function said so in its own way
	}
	if s.opened {
		s.finishStream(err)
	} else {
		s.finishAnswer(err)
	}
}

// finishStream ends a stream of which something has been sent.
func (s *Stream) finishStream(err error) {
	if errors.Is(err, ErrStop) {
		err = nil
	}
	gone := s.failed != nil || s.request.Context().Err() != nil // or stuck, or the server is about to stop
	if err != nil && !gone {
		report(s.request, err)
	}
	if err != nil || s.failed != nil {
		s.breakOff()
	}
}

// finishAnswer answers a request of which nothing has been sent. If its context is done, the client may have gone, but also
// the server be about to stop: whoever is there still gets an empty stream, and comes back.
func (s *Stream) finishAnswer(err error) {
	var status *StatusError
	switch {
	case err == nil, s.request.Context().Err() != nil && isContextError(err):
		s.setHeader()
		s.w.WriteHeader(http.StatusOK)
		return
	case errors.Is(err, ErrStop):
		s.w.Header().Set("Cache-Control", "no-store")
		s.w.WriteHeader(http.StatusNoContent)
		return
	case !errors.As(err, &status) || status.Code < 400 || status.Code > 599:
		report(s.request, err)
		status = &StatusError{http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError)}
	}
	s.w.Header().Set("Cache-Control", "no-store")
	http.Error(s.w, status.Message, status.Code)
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// breakOff keeps net/http from ending the answer properly: a deadline in the past makes the last chunk of HTTP/1
// fail and resets a stream of HTTP/2. Panicking with http.ErrAbortHandler would do the same, but frighten middleware.
func (s *Stream) breakOff() { s.setWriteDeadline(time.Unix(1, 0)) }

func report(r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "event stream failed", "method", r.Method, "path", r.URL.Path, "error", err)
}
