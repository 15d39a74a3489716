// Command driver is a driver of sseconform (package internal/conform) for the clients of Go libraries, each with its default settings:
//
//	sseconform client -- go run ./cmd/driver tmaxmax
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	donovanhide "github.com/donovanhide/eventsource"
	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"

	"github.com/tidings-sse/tidings/internal/conform"
	"github.com/tidings-sse/tidings/sse"
)

// contestant is a client with the path of its module.
type contestant struct {
	conform.Client
	open conform.Open
}

var contestants = map[string]contestant{
	"tidings":      {conform.Client{Name: "github.com/tidings-sse/tidings/sse", Version: "with `sse.WHATWG`", IDs: true, Headers: true, Reconnection: 3000}, openTidings(sse.Client{Recover: sse.WHATWG})},
	"tidings-zero": {conform.Client{Name: "github.com/tidings-sse/tidings/sse", Version: "with its defaults", IDs: true, Headers: true, Reconnection: 1000}, openTidings(sse.Client{})},
	"tmaxmax":      {conform.Client{Name: "github.com/tmaxmax/go-sse", IDs: true, Headers: true, Reconnection: 1000}, openTmaxmax},
	"r3labs":       {conform.Client{Name: "github.com/r3labs/sse/v2", Headers: true, Reconnection: 1000}, openR3labs},
	"launchdarkly": {conform.Client{Name: "github.com/launchdarkly/eventsource", IDs: true, Headers: true, Reconnection: 3000}, openLaunchDarkly},
	"donovanhide":  {conform.Client{Name: "github.com/donovanhide/eventsource", Headers: true, Reconnection: 3000}, openDonovanhide},
}

func main() {
	name := strings.Join(os.Args[1:], " ")
	c, ok := contestants[name]
	if !ok {
		log.Fatalf("no client has the name %q", name)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == c.Name }); i >= 0 {
			c.Version = info.Deps[i].Version
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the runner has ended, or wants this driver to end
		os.Exit(0)
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, conform.Handler(c.Client, c.open)))
}

func request(ctx context.Context, url string, header http.Header) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		log.Fatal(err) // the runner sends correct URLs
	}
	req.Header = header
	return req
}

// typeOf returns the type of an event that has one in the stream, or none.
func typeOf(name string) string {
	if name == "" {
		return "message"
	}
	return name
}

// openTidings subscribes with a client of our own. sse.WHATWG are the rules of browsers; the default, sse.Resilient, also retries after 408, 425,
// 429 and most 5xx, and reconnects from the first URL after a redirect.
func openTidings(client sse.Client) conform.Open {
	return func(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
		for e, err := range client.Subscribe(request(ctx, url, header)) {
			if err != nil {
				return err
			}
			event(e)
		}
		return nil
	}
}

func openTmaxmax(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
	connection := tmaxmax.NewConnection(request(ctx, url, header))
	connection.SubscribeToAll(func(e tmaxmax.Event) {
		event(sse.Event{Type: typeOf(e.Type), Data: e.Data, ID: e.LastEventID})
	})
	return connection.Connect()
}

// openR3labs passes over the events without data with which this client reports comments.
func openR3labs(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
	client := r3labs.NewClient(url)
	for name := range header {
		client.Headers[name] = header.Get(name)
	}
	return client.SubscribeRawWithContext(ctx, func(e *r3labs.Event) {
		if len(e.Comment) == 0 || len(e.Data) > 0 {
			event(sse.Event{Type: typeOf(string(e.Event)), Data: string(e.Data)})
		}
	})
}

func openLaunchDarkly(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
	stream, err := launchdarkly.SubscribeWithRequestAndOptions(request(ctx, url, header))
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stream.Errors: //nolint:errcheck // the stream goes on
		case e, ok := <-stream.Events:
			if !ok {
				return nil
			}
			id := e.Id()
			if last, ok := e.(launchdarkly.EventWithLastID); ok {
				id = last.LastEventID()
			}
			event(sse.Event{Type: typeOf(e.Event()), Data: e.Data(), ID: id})
		}
	}
}

// openDonovanhide never closes its stream: Close panics in a goroutine of the library if an event arrives at that moment.
func openDonovanhide(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
	stream, err := donovanhide.SubscribeWithRequest("", request(ctx, url, header))
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stream.Errors: //nolint:errcheck // the stream goes on
		case e, ok := <-stream.Events:
			if !ok {
				return nil
			}
			event(sse.Event{Type: typeOf(e.Event()), Data: e.Data()})
		}
	}
}
