package main

import (
	"fmt"
	"net/http"
)

// handler is everything that the demo serves.
func (d *demo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/events", d.events())
	mux.Handle("/events/", d.events())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("there is nothing at %s: the page is at /, its event stream at /events", r.URL.Path), http.StatusNotFound)
	})
	return guarded(demoPage.before(mux))
}

// guarded lets in only requests that read.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the demo publishes by itself and takes nothing: use GET", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
