// Package load publishes to hubs and subscribes to them, and records the answers and the events.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/history"
)

// Options size the load.
type Options struct {
	Publishers  int           // half of them send single events, half batches if the hubs take them
	Rate        float64       // events per second of each publisher
	Batch       int           // events of a batch
	Subscribers int           // exact topics, patterns and everything, a third each
	Stay        time.Duration // the longest time before a subscriber leaves for another hub
	Duels       int           // how many topics at a time have several publishers, with keys in common, and an end at any moment
	Twice       float64       // the part of the requests that go to two hubs at once
	Brief       time.Duration // see history.Promise; 0: no brief topics
	Seed        uint64
}

// Load runs publishers and subscribers.
type Load struct {
	Options
	driver driver.Driver
	log    *history.Log
	hubs   int

	published sync.Map     // by name: the history.Sent, so that a subscriber can compare the topics
	settling  atomic.Bool  // subscribers stay where they are
	heard     atomic.Int64 // when a subscriber received an event last, in the log's time

	Deliveries, Acknowledged, Refused, Unknown atomic.Int64
}

// New returns the load of a driver's hubs.
func New(d driver.Driver, hubs int, log *history.Log, o Options) *Load {
	return &Load{Options: o, driver: d, log: log, hubs: hubs}
}

// Run publishes until publishing ends. It then calls heal, after which all hubs must be ready, and subscribes until nothing was delivered
// for quiet.
func (l *Load) Run(ctx context.Context, publishing <-chan struct{}, heal func() error, quiet time.Duration) error {
	subscribing, stop := context.WithCancel(ctx)
	defer stop()
	var subscribers, publishers sync.WaitGroup
	for i := range l.Subscribers {
		s := l.subscriber(i)
		subscribers.Go(func() { s.run(subscribing) })
	}
	for i := range l.Publishers {
		p := l.publisher(i)
		publishers.Go(func() { p.run(ctx, publishing) })
	}
	duels := l.Duels
	if !l.driver.Features().Ends {
		duels = 0
	}
	for i := range duels {
		publishers.Go(func() { l.duel(ctx, publishing, i) })
	}
	if l.Brief > 0 {
		for i := range briefs {
			publishers.Go(func() { l.brief(ctx, publishing, i) })
		}
	}
	select {
	case <-publishing:
	case <-ctx.Done():
	}
	if err := heal(); err != nil {
		return err
	}
	publishers.Wait()
	l.settling.Store(true)
	l.heard.Store(l.log.Now())
	for ctx.Err() == nil && time.Duration(l.log.Now()-l.heard.Load())*time.Microsecond < quiet {
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	subscribers.Wait()
	return ctx.Err()
}

// random returns the random numbers of one part of the load. A seed does not repeat how the parts interleave.
func (l *Load) random(part string, i int) *rand.Rand {
	var sum uint64
	for _, c := range []byte(part) {
		sum = sum*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(l.Seed, sum<<32+uint64(i)))
}

// Topics are the topics that never end. The load also makes topics that end.
var Topics = func() (all []string) {
	for i := range 10 {
		all = append(all, fmt.Sprintf("news/%d", i), fmt.Sprintf("chat/%d/room", i))
	}
	return all
}()

// some returns n different topics.
func some(r *rand.Rand, n int) []string {
	chosen := make([]string, n)
	for i, at := range r.Perm(len(Topics))[:n] {
		chosen[i] = Topics[at]
	}
	return chosen
}

// client returns a client for one publisher or subscriber. Its users notice a dead connection by their timeouts.
func client() *http.Client {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	return &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, ResponseHeaderTimeout: requestTimeout, MaxIdleConnsPerHost: 4, DisableCompression: true,
	}}
}

// requestTimeout is how long a client waits for an answer before it asks another hub.
const requestTimeout = 8 * time.Second

// pause waits for about d, or until ctx ends.
func pause(ctx context.Context, r *rand.Rand, d time.Duration) {
	timer := time.NewTimer(d/2 + time.Duration(r.Int64N(int64(d))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
