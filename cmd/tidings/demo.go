package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// demoCmd is the command line of tidings demo.
type demoCmd struct {
	Addr string `default:"localhost:3000" placeholder:"HOST:PORT" help:"Address to listen on; ${default} by default. A port alone, such as :3001, is on localhost. Everybody who can reach the address can see this machine's load: use another address than localhost, such as 0.0.0.0:3000, only if you want that."`
}

// Help is shown below the command's usage.
func (*demoCmd) Help() string {
	return `Needs no internet, no configuration and no other file. Open http://localhost:3000 and read the source of the page, or look at what
the page receives:

    curl -N http://localhost:3000/events

The demo is a hub, and this stream carries everything that it publishes. It has three topics, which can be followed alone, such as
/events/demo/clock:

    demo/counter   0, 1, 2, ... each second, from the first visitor on (no type)
    demo/clock     the time, each second (type clock)
    demo/host      load, memory and network counters of this machine, as JSON
                   (type host)

Two other event types are about the stream itself: tidings.checkpoint says at which position it starts, and tidings.gap that events
are missing.

Stop the demo and start it again while the page is open: the page reconnects by itself. Break only the connection, and the page
gets everything that it has missed.`
}

// Run serves the demo until ctx is cancelled.
func (c *demoCmd) Run(ctx context.Context, std stdio) error {
	listeners, err := listenLocal(net.Listen, c.Addr)
	if err != nil {
		return err
	}
	url := urlOf(listeners, c.Addr)
	d, err := newDemo(newHost(ctx).sample)
	if err != nil {
		closeAll(listeners)
		return err
	}
	// A closed output is no reason to stop serving the page.
	_, _ = fmt.Fprintf(std.out, "tidings demo listens on %s: open it in a browser, or try curl -N %s/events\n", url, url)
	return d.serve(ctx, listeners...)
}

// demo is a hub with three publishers of its own.
type demo struct {
	hub  *hub.Hub
	log  eventlog.Log
	host func(context.Context) hostSample

	visited chan struct{} // closed by the first to follow
	visit   sync.Once
}

// demoEvents are kept: five minutes at three events a second, for a quarter of a megabyte.
const demoEvents = 3 * 5 * 60

func newDemo(host func(context.Context) hostSample) (*demo, error) {
	log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: demoEvents}})
	if err != nil {
		return nil, err
	}
	h, err := hub.New(log, &hub.Options{Window: 1 << 20})
	return &demo{hub: h, log: log, host: host, visited: make(chan struct{})}, err
}

// demoGrace is how long clients have to take what is under way when the demo stops: streams end at once, so only one that does
// not read can need it, and it has missed nothing that it could not ask for again.
const demoGrace = 500 * time.Millisecond

// serve serves until ctx is cancelled or a listener fails. When it returns the addresses are free and nothing is
// published any more.
func (d *demo) serve(ctx context.Context, listeners ...net.Listener) error {
	publishing, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	for _, publish := range []func(context.Context){d.publishCount, d.publishClock, d.publishHost} {
		running.Go(func() { publish(publishing) })
	}
	server := &hubServer{hub: d.hub, handler: d.handler(), logger: slog.Default(), grace: demoGrace}
	err := server.serve(ctx, listeners...)
	cancel()
	running.Wait()
	return errors.Join(err, d.log.Close())
}

// events is the hub, which here takes nothing from outside.
func (d *demo) events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.hub.ServeHTTP(&firstLook{w, d}, r)
	})
}

// firstLook lets the counter begin when an answer does. By then the hub knows from where it goes on for this client: earlier,
// the first visitor could miss the 0.
type firstLook struct {
	http.ResponseWriter
	demo *demo
}

func (f *firstLook) WriteHeader(status int) {
	f.visit()
	f.ResponseWriter.WriteHeader(status)
}

// Hijack is how the hub takes a connection for itself.
func (f *firstLook) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	f.visit()
	return http.NewResponseController(f.ResponseWriter).Hijack()
}

func (f *firstLook) visit() { f.demo.visit.Do(func() { close(f.demo.visited) }) }

// Unwrap is for http.ResponseController.
func (f *firstLook) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// publish publishes an event. It fails only after the shutdown, when there are no subscribers.
func (d *demo) publish(ctx context.Context, topic, typ, data string) {
	_, _ = d.hub.Publish(ctx, hub.Event{Topics: []string{topic}, Type: typ, Data: data})
}

// publishCount publishes demo/counter. It starts with the first visitor, so that this visitor sees 0 first.
func (d *demo) publishCount(ctx context.Context) {
	select {
	case <-d.visited:
	case <-ctx.Done():
		return
	}
	d.publish(ctx, "demo/counter", "", "0")
	n := 0
	everySecond(ctx, func() {
		n++
		d.publish(ctx, "demo/counter", "", strconv.Itoa(n))
	})
}

// publishClock publishes demo/clock, when a new second begins.
func (d *demo) publishClock(ctx context.Context) {
	for {
		now := time.Now()
		select {
		case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
			// Rounded, because it is a moment past the second, or by a change of the clock a moment before.
			d.publish(ctx, "demo/clock", "clock", time.Now().Round(time.Second).Format(time.RFC3339))
		case <-ctx.Done():
			return
		}
	}
}

// publishHost publishes demo/host. It is apart from the others so that a system that is slow to answer stops no clock.
func (d *demo) publishHost(ctx context.Context) {
	everySecond(ctx, func() {
		if data, err := json.Marshal(d.host(ctx)); err == nil { // NaN is the only thing that JSON lacks
			d.publish(ctx, "demo/host", "host", string(data))
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
