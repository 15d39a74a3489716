// Command embed is a server with pages, a login and accounts of its own, in which a hub takes care of the events. The
// hub is a handler like any other: it asks the accounts who may do what, and the program publishes by a call.
//
//	go run ./embed            # and log in as ada in one window, as grace in another
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
	addr := flag.String("addr", "localhost:3000", "where to listen; port 0 takes any free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://localhost:%d and log in; in a private window as somebody else", listener.Addr().(*net.TCPAddr).Port)
	if err := run(ctx, listener); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is over.
func run(ctx context.Context, listener net.Listener) error {
	events, err := eventlog.NewMemory(nil) // disklog.Open("events", nil) keeps them when the program stops
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

// serve serves until ctx is over. Then it stops in this order: the streams, for which server.Shutdown would wait for
// ever; then the other requests, which may publish to the end; those who take nothing are cut off. The log is closed by
// the caller when nobody needs it any more.
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
