// Command htmx is a poll without a line of JavaScript: every open page shows the votes as they are cast, because
// htmx puts the HTML that events carry into the page.
package main

import (
	"embed"
	"flag"
	"log"
	"net"
	"net/http"
)

//go:embed index.html
var page embed.FS

func main() {
	addr := flag.String("addr", "localhost:3000", "where to listen; port 0 takes any free one")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://localhost:%d in two windows", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, handler(newPoll("Tea", "Coffee", "Water"))))
}

func handler(p *poll) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /events", p.events())
	mux.HandleFunc("POST /votes", p.vote)
	return http.NewCrossOriginProtection().Handler(mux) // other sites cannot vote for our visitors
}
