package sse

import (
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
// HEAD is answered without calling f. Errors are logged by [slog.Default]. A response writer that
// cannot flush gives 500. One without deadlines cannot break off: the stream then ends as if whole.
func Handler(o *Options, f func(*Stream) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := newStream(w, r, o)
		if err != nil {
			report(r, err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		defer s.Close()
		if r.Method == http.MethodHead {
			setHeader(w.Header())
			return
		}
		first := openAfter
		if s.options.KeepAlive > 0 {
			first = min(first, s.options.KeepAlive)
		}
		s.tend(first)
		err = f(s)
		_ = s.Close() // always nil; from here on the response is this goroutine's alone
		s.finish(err)
	})
}

// finish turns what the handler's function returned into the end of the answer. The stream is closed.
func (s *Stream) finish(err error) {
	s.restoreDeadline()
	var status *StatusError
	var write *WriteError
	switch {
	case s.request.Context().Err() != nil, errors.As(err, &write):
		// The client has gone, or is stuck: nobody is there to answer.
		if s.opened {
			s.breakOff()
		}
	case s.opened:
		if err != nil && !errors.Is(err, ErrStop) && !errors.Is(err, ErrMaxAge) {
			report(s.request, err)
			s.breakOff()
		}
	case err == nil, errors.Is(err, ErrMaxAge):
		setHeader(s.w.Header())
		s.w.WriteHeader(http.StatusOK)
	case errors.Is(err, ErrStop):
		s.w.Header().Set("Cache-Control", "no-store")
		s.w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &status) && 400 <= status.Code && status.Code <= 599:
		s.w.Header().Set("Cache-Control", "no-store")
		http.Error(s.w, status.Message, status.Code)
	default:
		report(s.request, err)
		s.w.Header().Set("Cache-Control", "no-store")
		http.Error(s.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// restoreDeadline gives the end of the answer the time that http.Server gives answers. One of our own would stay on
// the connection: net/http sets it anew for the next request only if it has one itself.
func (s *Stream) restoreDeadline() {
	if server, ok := s.request.Context().Value(http.ServerContextKey).(*http.Server); ok && server.WriteTimeout > 0 {
		s.setWriteDeadline(time.Now().Add(server.WriteTimeout))
	}
}

// breakOff keeps net/http from ending the answer properly: a deadline in the past makes the last chunk of HTTP/1
// fail and resets a stream of HTTP/2. Panicking with http.ErrAbortHandler would do the same, but frighten middleware.
func (s *Stream) breakOff() { s.setWriteDeadline(time.Unix(1, 0)) }

func report(r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "event stream failed", "method", r.Method, "path", r.URL.Path, "error", err)
}
