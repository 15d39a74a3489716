package main

import (
	"net/http"
	"time"
)

// front is the handler of tidings serve before the hub. It is a single handler with a small frame, because each HTTP/2 stream keeps the stack
// of its handler as long as it lasts.
type front struct {
	log         *requestLog
	bodyTimeout time.Duration
	page        page
	next        http.Handler
}

// ServeHTTP implements [http.Handler].
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, line := f.log.begin(w, r)
	defer line.end()
	f.boundBody(w, r)
	if !f.page.serve(w, r) {
		f.next.ServeHTTP(w, r)
	}
}

// boundBody sets a deadline for the body of each request, also of a body that no handler reads: net/http waits for the rest of it before it
// reads the next request, without a limit. A handler that reads a body may set another deadline.
func (f *front) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.bodyTimeout)) // fails only if the client has disconnected
	}
}
