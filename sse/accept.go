package sse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Options are what a stream does by itself. Nil means all defaults.
type Options struct {
	// KeepAlive is the longest silence before a comment is sent, so that proxies keep the connection and
	// dead peers are noticed. 0 means 15 s, negative no comments.
	KeepAlive time.Duration

	// WriteTimeout is how long one write may wait for the client to take what was sent. Then the stream is
	// broken. 0 means 10 s, negative for ever. [http.Server.WriteTimeout], and ReadTimeout, which would both
	// end every stream, do not apply to the stream.
	WriteTimeout time.Duration

	// Retry is the reconnection time that the stream asks the client for. It leaves with the header as a line that
	// joins the block of the first event: see [AppendRetry]. 0 sends none.
	Retry time.Duration

	// MaxAge ends the stream after 80 to 100 % of this time, at random, so that clients move to another server in
	// their own time. Context is then done and Send fails, with [ErrMaxAge]. 0 means never.
	MaxAge time.Duration
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.KeepAlive == 0 {
		d.KeepAlive = 15 * time.Second
	}
	if d.WriteTimeout == 0 {
		d.WriteTimeout = 10 * time.Second
	}
	return d
}

// Accept starts an event stream as the answer to r: status 200, Content-Type text/event-stream, fields that
// keep caches and proxies from storing, changing or holding back what is sent. All of it has left when Accept
// returns, so that the client's connection is open. A Cache-Control that has been set before stays. The caller
// closes the stream before the handler returns.
//
// HEAD, whose answer has no body, is to be answered before. While a body of r has not been read to its end, HTTP/1 notices
// that the client has gone only when it writes. Accept fails, and has written nothing, when w cannot flush, which
// middleware without an Unwrap method causes, or when the request's context is done already. Middleware that compresses
// must let streams alone: a Flush that keeps bytes back cannot be seen from here. Accept takes HTTP/1 and HTTP/2.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (*Stream, error) {
	s, err := newStream(w, r, o)
	if err != nil {
		return nil, err
	}
	if err := s.Flush(); err != nil {
		_ = s.Close() // never fails; err is what the caller has to know
		return nil, err
	}
	s.tend(s.options.KeepAlive)
	return s, nil
}

// newStream returns a Stream that has sent nothing yet and does nothing by itself.
func newStream(w http.ResponseWriter, r *http.Request, o *Options) (*Stream, error) {
	if !canFlush(w) {
		return nil, fmt.Errorf("sse: %T cannot flush: give the middleware that made it a method Unwrap() http.ResponseWriter: %w", w, errors.ErrUnsupported)
	}
	s := &Stream{w: w, control: http.NewResponseController(w), request: r, options: o.withDefaults(), mu: make(mutex, 1)}
	s.ctx, s.cancel = context.WithCancelCause(r.Context())
	s.liftDeadlines()
	return s, nil
}

// canFlush reports what http.ResponseController.Flush would, without sending the header.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// setHeader prepares the header of the stream.
func (s *Stream) setHeader() {
	h := s.w.Header()
	if s.request.ProtoMajor == 1 && s.serverTimeout(writeTimeout) <= 0 && s.options.WriteTimeout > 0 {
		// The end of the answer gets a deadline, which would stay on the connection: see end.
		h.Set("Connection", "close")
	}
	h.Set("Content-Type", contentType)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache, no-store, no-transform")
	}
	h.Set("X-Accel-Buffering", "no") // nginx, and what behaves like it, would buffer
	h.Del("Content-Length")
}

// jittered returns a time between 80 and 100 % of d.
func jittered(d time.Duration) time.Duration {
	return d - time.Duration(rand.Float64()*float64(d)/5)
}
