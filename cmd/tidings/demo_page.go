package main

import (
	"fmt"
	"net/http"
)

// handler returns the handler of the demo: the page and the stream.
func (d *demo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/events", d.events())
	mux.Handle("/events/", d.events())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("%s does not exist: the page is at /, and its event stream at /events", r.URL.Path), http.StatusNotFound)
	})
	return guarded(demoPage.before(mux))
}

// guarded refuses all requests except GET and HEAD.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the demo accepts no events: use GET", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
