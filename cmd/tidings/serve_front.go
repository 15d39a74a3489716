package main

import (
	"net/http"
	"time"
)

// front is what a request to tidings serve meets before the hub. It is one handler, and leaves all it can to others, because each stream
// of HTTP/2 keeps its part of the stack for as long as it lasts.
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

// boundBody gives each body a time to come, also one that nobody reads: net/http waits for the rest of it before it takes the next
// request, and has no bound of its own for that. Whoever reads one may set another time.
func (f *front) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.bodyTimeout)) // one that has gone needs none
	}
}
