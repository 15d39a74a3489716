// Command dashboard is a live dashboard: a shop that invents orders publishes them to a hub inside the server, and one page shows them with
// tidings.js. The page computes its numbers from the events, so a page that is opened later shows the same as the others.
package main

import (
	"context"
	"embed"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/js"
)

//go:embed index.html
var page embed.FS

func main() {
	addr := flag.String("addr", "localhost:3000", "`address` to listen on; port 0 means any free port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	h, err := newHub()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, handler(h))) }()
	log.Printf("open http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	if err := sell(ctx, h, 250*time.Millisecond); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// newHub returns a hub that keeps the orders of an hour, and the newest number of visitors.
func newHub() (*hub.Hub, error) {
	events, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{
		{Pattern: eventlog.MustPattern("visitors"), Latest: 60},
		{Pattern: eventlog.MustPattern("orders/*"), Age: time.Hour},
	}}})
	if err != nil {
		return nil, err
	}
	return hub.New(events, &hub.Options{Local: true}) // for this machine only, because there are no accounts
}

func handler(h *hub.Hub) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.FileServerFS(page))
	mux.Handle("GET /tidings.js", js.Handler())
	mux.Handle("GET /events", h)
	return mux
}
