// Command reply publishes the reply of a language model to a topic. Any number of viewers subscribe to it at any time,
// see it from the start, can reload the page, and learn when it ends. The model continues without viewers until the
// reply is complete or a viewer stops it.
//
//	go run ./reply
//
// A running hub does not need this program. Pipe any event stream into a topic; the topic ends when the stream does:
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
	addr := flag.String("addr", "localhost:3000", "`address` to listen on; port 0 means any free port")
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

// run serves until ctx is done.
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

// serve serves until ctx is done, then shuts down in this order. First it stops the models, which ends their replies.
// Then the hub sends these ends to the viewers and ends their streams. Then the other requests finish. Then connections
// whose clients do not read are closed. The caller closes the log last.
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
