// Command embed is a server with an embedded hub and its own pages, login and accounts. The hub is an ordinary handler:
// it asks the accounts what a request may do, and the program publishes with a function call.
//
//	go run ./embed            # then log in as ada in one window and as grace in another
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

func main() {
	addr := flag.String("addr", "localhost:3000", "`address` to listen on; port 0 means any free port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://localhost:%d and log in; log in as another person in a private window", listener.Addr().(*net.TCPAddr).Port)
	if err := run(ctx, listener); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, listener net.Listener) error {
	events, err := eventlog.NewMemory(nil) // disklog.Open("events", nil) would keep the events after a restart
	if err != nil {
		return err
	}
	site, err := newSite(events)
	if err != nil {
		return errors.Join(err, events.Close())
	}
	server := &http.Server{Handler: site.routes(), ReadHeaderTimeout: 10 * time.Second}
	return errors.Join(serve(ctx, server, listener, site.hub), events.Close())
}

// serve serves until ctx is done, then shuts down in this order. First the hub ends its streams, because
// server.Shutdown would wait for them forever. Then the other requests finish; they may still publish. Then connections
// whose clients do not read are closed. The caller closes the log last.
func serve(ctx context.Context, server *http.Server, listener net.Listener, h *hub.Hub) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, h.Shutdown(grace), server.Shutdown(grace), server.Close())
}
