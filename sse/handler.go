package sse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// ErrStop is what a [Handler]'s function returns to make the client stop reconnecting. Before the header is sent, it
// makes the response 204 No Content, after which neither EventSource nor [Client] reconnects. Later it ends the stream
// as nil does: the client reconnects, and the function can return ErrStop for the new request.
var ErrStop = errors.New("sse: no more events will come")

// StatusError is an HTTP error. A [Handler]'s function returns it, before the header is sent, to answer with that error.
type StatusError struct {
	Code    int    // 400 to 599
	Message string // the body of the response, as plain text
}

func (e *StatusError) Error() string { return fmt.Sprintf("sse: status %d: %s", e.Code, e.Message) }

// openAfter is the delay after which a Handler's stream sends its header although its function has sent nothing. It is
// long enough for a database query that decides about the status, and short for a user who waits.
const openAfter = time.Second

// Handler returns a handler that answers each request with a stream. It calls f and closes the stream when f returns.
// It answers HEAD without calling f.
//
// The first call of f that sends something, [Stream.Flush] included, sends the header. After one second, or
// [Options.KeepAlive] if that is shorter, the header is sent anyway.
//
// If f returns before the header is sent, its error decides the status of the response:
//   - nil, [ErrMaxAge], and the context's error after the request was canceled give 200 and an empty stream;
//   - [ErrStop] gives 204;
//   - a [*StatusError] gives its code;
//   - any other error gives 500 and is logged.
//
// If f returns later, its error decides how the stream ends:
//   - nil, [ErrStop] and [ErrMaxAge] end it cleanly;
//   - any other error aborts it, so that the client can tell that it is incomplete. The error is logged, unless the
//     client has disconnected or a write to it has failed.
//
// Clients reconnect in both cases.
//
// Errors are logged with [slog.Default]. A response writer that cannot flush gives status 500. A stream over HTTP/1.0,
// or on a response writer without deadlines, cannot be aborted: it ends cleanly even after an error.
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
		s.startTimers(first)
		returned := false
		defer func() {
			// Middleware may recover a panic of f. The stream must not look complete then.
			if _ = s.Close(); !returned && s.opened {
				s.abort()
			}
		}()
		err = f(s)
		cause := context.Cause(s.ctx)
		_ = s.Close() // always nil; no other goroutine uses the response from here on
		s.finish(err, cause)
		returned = true
	})
}

// finish ends the response as err, the error of the handler's function, demands. The stream is already closed; cause is
// the reason why its context was done before that, nil if it was not.
func (s *Stream) finish(err, cause error) {
	if errors.Is(err, ErrMaxAge) || errors.Is(err, context.Canceled) && (errors.Is(cause, ErrMaxAge) || errors.Is(cause, ErrClosed)) {
		err = nil // a planned end, even if the function returned the error of its context
	}
	if s.opened {
		s.finishStream(err)
	} else {
		s.finishAnswer(err)
	}
}

// finishStream ends a stream whose header has been sent.
func (s *Stream) finishStream(err error) {
	if errors.Is(err, ErrStop) {
		err = nil
	}
	// The client has disconnected or is stuck, or the server shuts down.
	expected := s.failed != nil || s.request.Context().Err() != nil
	if err != nil && !expected {
		report(s.request, err)
	}
	if err != nil || s.failed != nil {
		s.abort()
	}
}

// finishAnswer answers a request whose header has not been sent. If the request's context is done, the client may have
// disconnected, or the server may be shutting down. In the second case an empty stream makes the client reconnect.
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

// abort keeps net/http from ending the response cleanly: a deadline in the past makes the last chunk of HTTP/1 fail and
// resets a stream of HTTP/2. A panic with http.ErrAbortHandler does the same, but middleware may log or swallow it.
func (s *Stream) abort() { s.setWriteDeadline(time.Unix(1, 0)) }

func report(r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "event stream failed", "method", r.Method, "path", r.URL.Path, "error", err)
}
