// Command htmx is a poll that updates on every open page. It needs no JavaScript of its own: events carry HTML, and
// htmx inserts it into the page.
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
	addr := flag.String("addr", "localhost:3000", "`address` to listen on; port 0 means any free port")
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
	return http.NewCrossOriginProtection().Handler(mux) // pages of other sites cannot vote as our visitors
}
