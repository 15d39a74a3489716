package main

import (
	"net/http"
	"time"
)

// boundBodies gives each body a time to come, also one that nobody reads: net/http waits for the rest of it before it takes the next
// request, and has no bound of its own for that. Whoever reads one may set another time.
func boundBodies(next http.Handler, most time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(most)) // one that has gone needs none
		}
		next.ServeHTTP(w, r)
	})
}
