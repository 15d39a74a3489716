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
	Addr string `default:"localhost:3000" placeholder:"HOST:PORT" help:"Address to listen on; ${default} by default. A port alone, such as :3001, is on localhost. Every client that reaches the address can see the load of this machine: use another address than localhost, such as 0.0.0.0:3000, only if you want that."`
}

// Help is shown below the command's usage.
func (*demoCmd) Help() string {
	return `The demo needs no internet, no configuration and no other file. Open http://localhost:3000 and read the source of the page, or see
what the page receives:

    curl -N http://localhost:3000/events

The demo is a hub, and this stream has all events of its three topics. A stream can also have one topic, such as
/events/demo/clock:

    demo/counter   0, 1, 2, ... each second, from the first visitor on (no type)
    demo/clock     the time, each second (type clock)
    demo/host      load, memory and network counters of this machine, as JSON
                   (type host)

Two other event types describe the stream: tidings.checkpoint has the position at which it starts, and tidings.gap says that events
are missing.

Stop the demo and start it again while the page is open: the page reconnects by itself. If only the connection breaks, the page also
gets the events that it missed.`
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
	// The demo also runs with a closed output.
	_, _ = fmt.Fprintf(std.out, "tidings demo listens on %s: open it in a browser, or try curl -N %s/events\n", url, url)
	return d.serve(ctx, listeners...)
}

// demo is a hub with three publishers of its own.
type demo struct {
	hub  *hub.Hub
	log  eventlog.Log
	host func(context.Context) hostSample

	visited chan struct{} // closed when the first stream begins
	visit   sync.Once
}

// demoEvents is how many events the demo retains: those of five minutes, which take a quarter of a megabyte.
const demoEvents = 3 * 5 * 60

func newDemo(host func(context.Context) hostSample) (*demo, error) {
	log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: demoEvents}})
	if err != nil {
		return nil, err
	}
	h, err := hub.New(log, &hub.Options{Window: 1 << 20})
	return &demo{hub: h, log: log, host: host, visited: make(chan struct{})}, err
}

// demoGrace is how long the demo waits for open streams when it stops. Streams end at once unless their client does not read, and such a client
// can ask for its events again.
const demoGrace = 500 * time.Millisecond

// serve serves until ctx is cancelled or a listener fails. When it returns, the listeners are closed and the publishers have ended.
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

// events returns the handler of the hub. It counts visits.
func (d *demo) events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.hub.ServeHTTP(&firstLook{w, d}, r)
	})
}

// firstLook starts the counter when the answer to the first visitor begins. By then the hub has fixed the position at which the stream starts,
// so the first visitor does not miss the 0.
type firstLook struct {
	http.ResponseWriter
	demo *demo
}

func (f *firstLook) WriteHeader(status int) {
	f.visit()
	f.ResponseWriter.WriteHeader(status)
}

// Hijack lets the hub take over the connection.
func (f *firstLook) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	f.visit()
	return http.NewResponseController(f.ResponseWriter).Hijack()
}

func (f *firstLook) visit() { f.demo.visit.Do(func() { close(f.demo.visited) }) }

// Unwrap is for [http.ResponseController].
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

// publishClock publishes demo/clock at the beginning of each second.
func (d *demo) publishClock(ctx context.Context) {
	for {
		now := time.Now()
		select {
		case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
			// Rounded, because the timer fires shortly after the second, or shortly before it if the clock was changed.
			d.publish(ctx, "demo/clock", "clock", time.Now().Round(time.Second).Format(time.RFC3339))
		case <-ctx.Done():
			return
		}
	}
}

// publishHost publishes demo/host. It runs in its own goroutine, so that a slow system call does not delay the clock.
func (d *demo) publishHost(ctx context.Context) {
	everySecond(ctx, func() {
		if data, err := json.Marshal(d.host(ctx)); err == nil { // fails only for NaN
			d.publish(ctx, "demo/host", "host", string(data))
		}
	})
}

// everySecond calls f after one second, and then each second until ctx is done.
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
