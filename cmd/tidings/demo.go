package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// demoCmd is the command line of tidings demo.
type demoCmd struct {
	Addr string `default:"localhost:3000" placeholder:"HOST:PORT" help:"Where to listen; ${default} if not said. A port alone, such as :3001, is on localhost. Everybody who reaches the address can see this machine's load: name another than localhost, such as 0.0.0.0:3000, only if you mean that."`
}

// Help is shown below the command's usage.
func (*demoCmd) Help() string {
	return `It needs no internet, no configuration and no other file. Open http://localhost:3000 and read
the source of the page, or look at what the page receives:

    curl -N http://localhost:3000/events

The stream carries three topics:

    demo/counter   0, 1, 2, ... one each second, from the first visitor on (no event type)
    demo/clock     the time, each second (event type clock)
    demo/host      this machine's load, memory and network counters as JSON (event type host)

Two more event types are about the stream itself: tidings.checkpoint says from which position it begins, tidings.gap that
something cannot be had any more.

Stop and start it while the page is open: the page comes back by itself. Break the connection
instead, and the page gets everything that it has missed.`
}

// Run serves the demo until ctx is cancelled.
func (c *demoCmd) Run(ctx context.Context, std stdio) error {
	listeners, err := listenLocal(net.Listen, c.Addr)
	if err != nil {
		return err
	}
	url := urlOf(listeners, c.Addr)
	// Whoever has closed our output wants the page all the same.
	_, _ = fmt.Fprintf(std.out, "tidings demo listens on %s: open it in a browser, or try curl -N %s/events\n", url, url)
	return newDemo(newHost(ctx).sample).serve(ctx, listeners...)
}

// demo is a server that publishes to itself.
type demo struct {
	feed *feed
	host func(context.Context) hostSample

	visited chan struct{} // closed by the first to follow
	visit   sync.Once
}

func newDemo(host func(context.Context) hostSample) *demo {
	return &demo{feed: newFeed(), host: host, visited: make(chan struct{})}
}

// stopGrace is how long clients have to take what is under way when the server stops: streams end at once, so only
// one that does not read can need it, and it has missed nothing that it could not ask for again.
const stopGrace = 500 * time.Millisecond

// serve serves until ctx is cancelled or a listener fails. When it returns the addresses are free and nothing is
// published any more.
//
// The order at the end: no new connections, then every stream reads what there is and ends, then those that
// do not read are cut. A stream that ended earlier would come back to a server that is about to go.
func (d *demo) serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(d.feed.end)

	var running sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		running.Go(func() { failed <- server.Serve(l) })
	}
	for _, publish := range []func(context.Context){d.publishCount, d.publishClock, d.publishHost} {
		running.Go(func() { publish(ctx) })
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	// The end of ctx is why we stop; what is left to do has its own time.
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer done()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // cuts connections; there is nothing in an error here that could be done better
	}
	running.Wait()
	return err
}

// events is the stream: one for all topics, from the position that the client asks for.
func (d *demo) events() http.Handler {
	options := sse.Options{
		KeepAlive: -1, // an event each second does that
		Retry:     time.Second,
	}
	return sse.Handler(&options, func(s *sse.Stream) error {
		from, known := d.feed.start(s.LastEventID())
		d.visit.Do(func() { close(d.visited) }) // and not before, or the first visitor could miss the 0
		return d.feed.follow(s, from, known)
	})
}

// publishCount publishes demo/counter. It begins when somebody looks, so that everybody's first number is 0.
func (d *demo) publishCount(ctx context.Context) {
	select {
	case <-d.visited:
	case <-ctx.Done():
		return
	}
	d.feed.append("", "0")
	n := 0
	everySecond(ctx, func() {
		n++
		d.feed.append("", strconv.Itoa(n))
	})
}

// publishClock publishes demo/clock, when a new second begins.
func (d *demo) publishClock(ctx context.Context) {
	for {
		now := time.Now()
		select {
		case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
			// Rounded, because it is a moment past the second, or by a change of the clock a moment before.
			d.feed.append("clock", time.Now().Round(time.Second).Format(time.RFC3339))
		case <-ctx.Done():
			return
		}
	}
}

// publishHost publishes demo/host. It is apart from the others so that a system that is slow to answer stops no clock.
func (d *demo) publishHost(ctx context.Context) {
	everySecond(ctx, func() {
		if data, err := json.Marshal(d.host(ctx)); err == nil { // NaN is the only thing that JSON lacks
			d.feed.append("host", string(data))
		}
	})
}

// everySecond calls f in a second, and again each second until ctx is done.
func everySecond(ctx context.Context, f func()) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f()
		case <-ctx.Done():
			return
		}
	}
}
