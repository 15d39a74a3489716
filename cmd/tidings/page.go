package main

import (
	"embed"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page_base.css page_icon.svg demo_page.html demo_page.css demo_page.js hub_page.html hub_page.css hub_page.js
var pageFiles embed.FS

// The pages of tidings demo and tidings serve.
var demoPage, hubPage = pageOf("demo_page"), pageOf("hub_page")

// page is the files of a page. They load nothing from other origins.
type page []pageFile

// pageFile is a file of a page. It has its own content type, because the tables of some systems are wrong.
type pageFile struct {
	path        string // of its URL
	name        string // in pageFiles
	contentType string
	text        string // instead of the file, if it is not empty
}

// pageOf returns the page whose own files begin with a name, together with the files that all pages share.
func pageOf(name string) page {
	return page{
		{"/", name + ".html", "text/html; charset=utf-8", ""},
		{"/page.css", name + ".css", "text/css; charset=utf-8", ""},
		{"/page.js", name + ".js", "text/javascript; charset=utf-8", ""},
		{"/base.css", "page_base.css", "text/css; charset=utf-8", ""},
		{"/icon.svg", "page_icon.svg", "image/svg+xml", ""},
	}
}

// withKeys returns the page of a hub with keys. It has a field for the token from the beginning: such a hub may answer requests without a
// token (--public), so that the page cannot learn from the answers whether a token helps.
func (p page) withKeys() page {
	keyed := slices.Clone(p)
	text, err := pageFiles.ReadFile(keyed[0].name)
	if err != nil {
		panic(err) // it is embedded
	}
	keyed[0].text = strings.Replace(string(text), "<body ", "<body data-keys ", 1)
	return keyed
}

// pageBefore serves a page's files, and passes all other requests to a handler. It compares paths exactly and never redirects.
type pageBefore struct {
	page
	next http.Handler
}

// before returns a handler that serves the page, and passes all other requests to next.
func (p page) before(next http.Handler) http.Handler { return &pageBefore{p, next} }

// ServeHTTP implements [http.Handler].
func (p *pageBefore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.serve(w, r) {
		p.next.ServeHTTP(w, r)
	}
}

// serve answers a request for a file of the page. It reports false for other requests.
func (p page) serve(w http.ResponseWriter, r *http.Request) bool {
	i := slices.IndexFunc(p, func(f pageFile) bool { return f.path == r.URL.Path })
	if i < 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	guard(w.Header())
	w.Header().Set("Content-Type", p[i].contentType)
	w.Header().Set("Cache-Control", "no-cache")
	if p[i].text != "" {
		http.ServeContent(w, r, p[i].name, time.Time{}, strings.NewReader(p[i].text))
		return true
	}
	http.ServeFileFS(w, r, pageFiles, p[i].name)
	return true
}

// guard forbids browsers to load anything from other origins into a page, and to make HTML or scripts of texts. The policy tidings, which the
// page makes, may name the script of a worker.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types tidings")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
