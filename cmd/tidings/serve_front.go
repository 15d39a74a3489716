package main

import (
	"net/http"
	"time"
)

// front is the handler of tidings serve around the hub. It is one handler with a small stack frame, because an HTTP/2 stream keeps the stack
// of its handler while it is open.
type front struct {
	gate        *gate
	log         *requestLog
	bodyTimeout time.Duration
	assets
	next http.Handler
}

// ServeHTTP implements [http.Handler].
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, line := f.log.begin(w, r)
	defer line.end()
	if !f.gate.pass(w, r) {
		return
	}
	f.boundBody(w, r)
	if !f.serve(w, r) {
		f.next.ServeHTTP(w, r)
	}
}

// boundBody sets a deadline for the body of a request, even if no handler reads it: net/http reads the rest of a body before the next request,
// without a time limit. A handler that reads a body may set another deadline.
func (f *front) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.bodyTimeout)) // fails only if the client has disconnected
	}
}
