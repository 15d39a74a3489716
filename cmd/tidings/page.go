package main

import (
	"embed"
	"net/http"
	"slices"
)

//go:embed page_base.css page_icon.svg demo_page.html demo_page.css demo_page.js hub_page.html hub_page.css hub_page.js
var pageFiles embed.FS

// The pages of tidings demo and tidings serve.
var demoPage, hubPage = pageOf("demo_page"), pageOf("hub_page")

// page is the files of a page, which need nothing from elsewhere.
type page []pageFile

// pageFile is where a file is served, what it is called here, and its type, which is ours to say, because some systems' own tables are
// wrong.
type pageFile struct{ path, name, contentType string }

// pageOf returns the page whose own files begin with a name, and what pages have in common.
func pageOf(name string) page {
	return page{
		{"/", name + ".html", "text/html; charset=utf-8"},
		{"/page.css", name + ".css", "text/css; charset=utf-8"},
		{"/page.js", name + ".js", "text/javascript; charset=utf-8"},
		{"/base.css", "page_base.css", "text/css; charset=utf-8"},
		{"/icon.svg", "page_icon.svg", "image/svg+xml"},
	}
}

// pageBefore serves a page's files, and leaves everything else to a handler. Paths are compared as they are, and never redirected.
type pageBefore struct {
	page
	next http.Handler
}

// before puts the page before a handler.
func (p page) before(next http.Handler) http.Handler { return &pageBefore{p, next} }

// ServeHTTP implements [http.Handler].
func (p *pageBefore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.serve(w, r) {
		p.next.ServeHTTP(w, r)
	}
}

// serve serves a file of the page, if that is asked for.
func (p page) serve(w http.ResponseWriter, r *http.Request) bool {
	i := slices.IndexFunc(p, func(f pageFile) bool { return f.path == r.URL.Path })
	if i < 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	guard(w.Header())
	w.Header().Set("Content-Type", p[i].contentType)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, pageFiles, p[i].name)
	return true
}

// guard keeps browsers from taking anything from elsewhere into a page.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
