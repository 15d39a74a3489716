// Command chat is a chat with rooms: a hub inside a server, and one page that follows and publishes with tidings.js. A message is an event, so
// a page that was offline gets what it missed, and all tabs of a browser share one stream.
package main

import (
	"embed"
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/js"
)

//go:embed index.html
var page embed.FS

func main() {
	addr := flag.String("addr", "localhost:3000", "`address` to listen on; port 0 means any free port")
	flag.Parse()
	site, err := handler()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://localhost:%d in two windows", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, site))
}

// handler returns the site. Everyone may read and write in all rooms; example embed has accounts.
func handler() (http.Handler, error) {
	events, err := eventlog.NewMemory(nil) // disklog.Open("events", nil) would keep the messages after a restart
	if err != nil {
		return nil, err
	}
	h, err := hub.New(events, &hub.Options{Local: true}) // of this machine only, because there are no accounts
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.FileServerFS(page))
	mux.Handle("GET /tidings.js", js.Handler())
	mux.Handle("/events", h)
	return mux, nil
}
