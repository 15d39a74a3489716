// Command reply turns what a language model says into a topic: any number of viewers follow it, from the start whenever
// they come, reload as they like, and see where it ends. The model goes on when nobody looks, until it has said all or
// somebody stops it.
//
//	go run ./reply
//
// A hub that runs already needs no program for that. Whatever sends an event stream can be piped into a topic, which
// ends when the stream does:
//
//	curl -N https://api.openai.com/v1/chat/completions ... |
//		curl -T - -H 'Content-Type: text/event-stream' 'localhost:3000/events/replies/1?end=1'
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
	log.Printf("open http://localhost:%d and ask; then open the reply in a second window", listener.Addr().(*net.TCPAddr).Port)
	if err := run(ctx, listener, parrot(80*time.Millisecond)); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is over.
func run(ctx context.Context, listener net.Listener, ask model) error {
	events, err := eventlog.NewMemory(nil)
	if err != nil {
		return err
	}
	replies, err := newReplies(events, ask)
	if err != nil {
		return errors.Join(err, events.Close())
	}
	server := &http.Server{Handler: replies.routes(), ReadHeaderTimeout: 10 * time.Second}
	return errors.Join(serve(ctx, server, listener, replies), events.Close())
}

// serve serves until ctx is over. Then it stops in this order: the models, whose replies end; the streams, which get
// those ends; the other requests; those who take nothing are cut off. The log is closed by the caller when nobody
// needs it any more.
func serve(ctx context.Context, server *http.Server, listener net.Listener, r *replies) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	r.stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, r.hub.Shutdown(grace), server.Shutdown(grace), server.Close())
}
