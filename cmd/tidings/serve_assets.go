package main

import (
	"net/http"
	"strings"

	"github.com/tidings-sse/tidings/console"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/js"
)

// pageFlags say which pages a hub serves to browsers.
type pageFlags struct {
	Console bool `default:"true" negatable:"" help:"Serve the web console at /console/, on --admin-addr if there is one. It is on by default; --no-console turns it off."`
}

// assets are what a hub serves to browsers besides its protocol. They are the same for everyone and need no token.
type assets struct {
	page    page
	console bool
}

// modules are the paths of tidings.js and the modules beside it.
var modules = func() map[string]bool {
	paths := make(map[string]bool)
	for _, name := range js.Names() {
		paths["/"+name] = true
	}
	return paths
}()

var serveModule, serveConsole = js.Handler(), console.Handler()

// serve answers a request for an asset. It reports false for other requests.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.Path
	switch {
	case modules[path] && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		serveModule.ServeHTTP(w, r)
		return true
	case a.console && (path+"/" == console.Path || strings.HasPrefix(path, console.Path)):
		serveConsole.ServeHTTP(w, r)
		return true
	}
	return a.page.serve(w, r)
}

// adminFront is the handler of --admin-addr. With the console, it also has the paths of the hub that the console uses. There the hub asks for
// tokens as it does at --addr.
type adminFront struct {
	assets
	hub   http.Handler
	admin http.Handler
}

func adminFrontOf(h *hub.Hub, withConsole bool) http.Handler {
	if !withConsole {
		return h.Admin()
	}
	return &adminFront{assets{console: true}, h, h.Admin()}
}

// ServeHTTP implements [http.Handler].
func (f *adminFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case f.serve(w, r):
	case path == "/events", strings.HasPrefix(path, "/events/"), path == "/api/v1/topics":
		f.hub.ServeHTTP(w, r)
	default:
		f.admin.ServeHTTP(w, r)
	}
}
