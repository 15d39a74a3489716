package sse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Options configure a [Stream]. Nil means all defaults.
type Options struct {
	// KeepAlive is the longest time without a write. After it the stream sends an empty comment, which keeps proxies
	// from closing the connection and detects dead clients. 0 means 15 s, negative no comments.
	KeepAlive time.Duration

	// WriteTimeout limits how long one write waits for the client. A write that takes longer fails with a
	// [*WriteError] and ends the stream. 0 means 10 s, negative no limit. It replaces [http.Server.WriteTimeout] and
	// ReadTimeout, which would end every stream.
	WriteTimeout time.Duration

	// Retry is the reconnection time that the stream sends to the client. The retry line follows the header and
	// becomes part of the first event: see [AppendRetry]. 0 sends none.
	Retry time.Duration

	// MaxAge limits the lifetime of the stream, so that clients spread over the servers again when they reconnect. The
	// stream ends after a random 80 to 100 % of it: Context is done, and Send returns [ErrMaxAge]. 0 means no limit.
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

// Accept starts an event stream as the response to r, over HTTP/1 or HTTP/2. It sends status 200, the content type
// text/event-stream, and header fields that tell caches and proxies not to store, change or buffer the stream. A
// Cache-Control field that is already set stays. When Accept returns, the header has been sent and the client's
// connection is open. The caller must close the stream before the handler returns.
//
// Accept fails and writes nothing if w cannot flush, or if the request's context is already done. Middleware that wraps
// a response writer needs an Unwrap method, or w cannot flush. Middleware must not compress streams: Accept cannot
// detect a Flush that holds bytes back.
//
// Answer HEAD requests without Accept, because their responses have no body. On HTTP/1, read the request's whole body
// first: until then net/http detects a disconnected client only when a write fails.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (*Stream, error) {
	s, err := newStream(w, r, o)
	if err != nil {
		return nil, err
	}
	if err := s.Flush(); err != nil {
		_ = s.Close() // always nil
		return nil, err
	}
	s.startTimers(s.options.KeepAlive)
	return s, nil
}

// newStream returns a Stream that has sent nothing and runs no timers.
func newStream(w http.ResponseWriter, r *http.Request, o *Options) (*Stream, error) {
	if !canFlush(w) {
		return nil, fmt.Errorf("sse: the response writer %T cannot flush; if middleware made it, give it a method Unwrap() http.ResponseWriter: %w", w, errors.ErrUnsupported)
	}
	s := &Stream{w: w, control: http.NewResponseController(w), request: r, options: o.withDefaults(), mu: make(mutex, 1)}
	s.ctx, s.cancel = context.WithCancelCause(r.Context())
	s.liftDeadlines()
	return s, nil
}

// canFlush reports whether http.ResponseController supports Flush on w. A trial Flush would send the header.
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

func (s *Stream) setHeader() {
	h := s.w.Header()
	if s.request.ProtoMajor == 1 && s.serverTimeout(writeTimeout) <= 0 && s.options.WriteTimeout > 0 {
		// net/http would keep the deadline that setFinalDeadlines sets, so the connection cannot be reused.
		h.Set("Connection", "close")
	}
	h.Set("Content-Type", contentType)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache, no-store, no-transform")
	}
	h.Set("X-Accel-Buffering", "no") // for nginx and proxies that behave like it
	h.Del("Content-Length")
}

// jittered returns a random time between 80 and 100 % of d.
func jittered(d time.Duration) time.Duration {
	return d - time.Duration(rand.Float64()*float64(d)/5)
}
