package main

import (
	"embed"
	"fmt"
	"net/http"
)

//go:embed demo_page.html demo_page.css demo_page.js demo_page.svg
var demoPage embed.FS

// demoFiles are the page: path, file, type. The types are ours to say, because some systems' own tables are wrong.
var demoFiles = []struct{ path, file, contentType string }{
	{"/{$}", "demo_page.html", "text/html; charset=utf-8"},
	{"/page.css", "demo_page.css", "text/css; charset=utf-8"},
	{"/page.js", "demo_page.js", "text/javascript; charset=utf-8"},
	{"/icon.svg", "demo_page.svg", "image/svg+xml"},
}

// handler is everything that the demo serves.
func (d *demo) handler() http.Handler {
	mux := http.NewServeMux()
	for _, f := range demoFiles {
		mux.HandleFunc(f.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", f.contentType)
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, demoPage, f.file)
		})
	}
	mux.Handle("/events", d.events())
	mux.Handle("/events/", d.events())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("there is nothing at %s: the page is at /, its event stream at /events", r.URL.Path), http.StatusNotFound)
	})
	return guarded(mux)
}

// guarded lets in only requests that read, and keeps browsers from taking anything from elsewhere into the page.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the demo publishes by itself and takes nothing: use GET", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
