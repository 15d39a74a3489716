package main

import (
	"net/http"
	"time"
)

// bodyBound gives each body a time to come, also one that nobody reads: net/http waits for the rest of it before it takes the next
// request, and has no bound of its own for that. Whoever reads one may set another time.
type bodyBound struct {
	next http.Handler
	most time.Duration
}

// ServeHTTP implements [http.Handler].
func (b *bodyBound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(b.most)) // one that has gone needs none
	}
	b.next.ServeHTTP(w, r)
}
