package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// run is the state of a run.
type run struct {
	*Options
	ctx   context.Context // done at the end of the run
	began time.Time
	magic []byte

	subscribe *url.URL   // of topic 0
	targets   []*url.URL // by topic
	sources   []net.Addr

	streams []stream // by topic and publisher
	backlog []uint32 // by topic: the end of the missed sequence numbers

	shards      []*shard
	subscribers []*subscriber // sorted by kind
	publishers  []*publisher
	connectors  []connector

	dialing     chan struct{} // one element per connection that is being opened
	settled     atomic.Int64  // subscribers that have had a stream or were refused
	up          atomic.Int64  // subscribers with an open stream
	due         atomic.Int64  // events that live subscribers should receive
	errorCounts errorCounts
	status      status

	interrupted bool // ctx ended the run early; set when the publishers have ended
}

// Run measures a hub as o says. If ctx is done during the measurement, Run returns the report of the time until then, which says so.
// If it is done before, Run returns the error of ctx.
func Run(ctx context.Context, o *Options) (*Report, error) {
	// With a single P, goroutines that read without pause would delay the netpoller by up to 10 ms.
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	all, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.ctx = all
	if err := r.setConnectors(ctx); err != nil {
		stop()
		return nil, err
	}
	report, err := r.execute(ctx)
	stop()
	for _, c := range r.connectors {
		c.stop()
	}
	return report, err
}

func newRun(o *Options) (*run, error) {
	given := *o
	r := &run{Options: &given, began: time.Now(), magic: magic(uint16(rand.Uint32())), dialing: make(chan struct{}, maxDialing)}
	if err := r.check(); err != nil {
		return nil, err
	}
	for i := range r.Topics {
		u, err := url.Parse(urlFor(r.Subscribe, r.topicName(i)))
		if err != nil {
			return nil, err
		}
		r.targets = append(r.targets, u)
		if !r.byTopic() {
			break
		}
	}
	r.subscribe = r.targets[0]
	for _, s := range r.Source {
		ip := net.ParseIP(s)
		if ip == nil {
			return nil, fmt.Errorf("%q is not an IP address", s)
		}
		r.sources = append(r.sources, &net.TCPAddr{IP: ip})
	}
	r.streams = make([]stream, r.Topics*r.Publishers)
	r.backlog = make([]uint32, r.Topics)
	for range min(runtime.NumCPU(), 4) {
		r.shards = append(r.shards, new(shard))
	}
	r.newSubscribers()
	r.newPublishers()
	return r, nil
}

func (r *run) newSubscribers() {
	for k, n := range [kinds]int{live: r.Subscribers, slow: r.Slow, returning: r.Missing, probe: min(r.Missing, r.Topics)} {
		for i := range n {
			sub := &subscriber{run: r, kind: kind(k), number: len(r.subscribers), topic: i % r.Topics}
			sub.tallies = make([]tally, r.Publishers)
			if !r.byTopic() {
				sub.topic = -1
				sub.tallies = make([]tally, len(r.streams))
			}
			sub.magic = r.magic
			r.subscribers = append(r.subscribers, sub)
		}
	}
}

// of returns the subscribers of kind k, which are adjacent in r.subscribers.
func (r *run) of(k kind) []*subscriber {
	first := 0
	for first < len(r.subscribers) && r.subscribers[first].kind < k {
		first++
	}
	end := first
	for end < len(r.subscribers) && r.subscribers[end].kind == k {
		end++
	}
	return r.subscribers[first:end]
}

// now returns the time since the run began.
func (r *run) now() time.Duration { return time.Since(r.began) }

func (r *run) stream(topic, publisher int) int { return topic*r.Publishers + publisher }

// execute runs all phases in order.
func (r *run) execute(ctx context.Context) (*Report, error) {
	watching := r.watch(ctx)
	defer watching()
	var m measurement
	var err error
	if m.empty, err = r.usage(); err != nil {
		return nil, err
	}
	there := r.subscribers[:r.Subscribers+r.Slow]
	r.status.phase.Store("connecting")
	r.connectAll(ctx, there)
	if err := r.awaitConnected(ctx, int64(len(there))); err != nil {
		return nil, err
	}
	if m.idle, err = r.awaitSteadyMemory(ctx); err != nil {
		return nil, err
	}
	r.status.phase.Store("publishing what will be missed")
	if err := r.prepareBacklog(ctx); err != nil {
		return nil, err
	}
	if err := r.measure(ctx, &m); err != nil {
		return nil, err
	}
	return r.report(&m), nil
}

// awaitSteadyMemory returns the hub's usage with all subscribers connected and no events. Right after thousands of
// connects, its memory includes temporary buffers. So awaitSteadyMemory waits until the memory has not fallen for 3 s,
// at most 10 s.
func (r *run) awaitSteadyMemory(ctx context.Context) (usage, error) {
	u, err := r.usage()
	if len(r.PIDs) == 0 {
		return u, err
	}
	const polls, steady = 10, 3 // seconds
	for poll, still := 0, 0; err == nil && poll < polls && still < steady; poll++ {
		if err := sleep(ctx, time.Second); err != nil {
			return usage{}, err
		}
		before := u.rss
		if u, err = r.usage(); u.rss < before {
			still = 0
		} else {
			still++
		}
	}
	return u, err
}

// measurement holds the figures at the boundaries of the phases.
type measurement struct {
	empty, idle  usage // before and after the subscribers connect
	begin, end   usage
	before, then snapshot
}

// measure warms up, measures for Options.Duration, and waits for the last events.
func (r *run) measure(ctx context.Context, m *measurement) error {
	publishing, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	finish := func() { stop(); working.Wait() }
	defer finish()
	r.status.phase.Store("warming up")
	for _, p := range r.publishers {
		working.Go(func() { p.publishLoop(publishing) })
	}
	_ = sleep(ctx, r.WarmUp) // if ctx is done, all following waits return at once
	var err error
	if m.begin, err = r.usage(); err != nil {
		return err
	}
	m.before = r.begin()
	r.status.phase.Store("measuring")
	if back := r.of(returning); len(back) > 0 {
		working.Go(func() { r.connectAll(ctx, back) })
	}
	if r.Churn > 0 {
		working.Go(func() { r.churn(publishing) })
	}
	_ = sleep(ctx, r.Duration)
	_ = r.await(ctx, r.catchingUp) // the effect of returning subscribers on the others is part of the measurement
	m.then = r.snapshot()
	m.end, err = r.usage()
	finish()
	if err != nil {
		return err
	}
	if s := r.snapshot(); r.Publishers > 0 && s.sent.events == 0 && s.sent.refused > 0 {
		return fmt.Errorf("no event could be published: %w", r.errorCounts.mostFrequent())
	}
	r.status.phase.Store("waiting for the last events")
	r.interrupted = r.await(ctx, r.outstanding) != nil || ctx.Err() != nil // the report covers the events so far
	return nil
}

// catchingUp returns how many returning subscribers have not received all missed events.
func (r *run) catchingUp() (n int64) {
	for _, sub := range r.of(returning) {
		sub.shard.lock()
		if sub.done == 0 && sub.state != gaveUp {
			n++
		}
		sub.shard.unlock()
	}
	return n
}

// outstanding returns how many events have not yet reached their subscribers.
func (r *run) outstanding() (n int64) {
	for _, sub := range r.subscribers {
		sub.shard.lock()
		if sub.kind != probe && sub.up > 0 {
			n += sub.lost()
		}
		sub.shard.unlock()
	}
	return n
}

// snapshot holds the counts at one time.
type snapshot struct {
	at      time.Duration
	counts  [kinds]counts
	latency histogram
	sent    sent
}

func (r *run) snapshot() (s snapshot) {
	s.at = r.now()
	for _, l := range r.shards {
		l.lock()
		for k := range s.counts {
			s.counts[k].add(l.counts[k])
		}
		s.latency.merge(&l.latency)
		l.unlock()
	}
	for _, p := range r.publishers {
		p.mu.Lock()
		s.sent.add(&p.sent)
		p.mu.Unlock()
	}
	return s
}

// begin takes a snapshot and resets the histograms.
func (r *run) begin() snapshot {
	s := r.snapshot()
	for _, l := range r.shards {
		l.lock()
		l.latency = histogram{}
		l.unlock()
	}
	for _, p := range r.publishers {
		p.mu.Lock()
		p.sent.acks = histogram{}
		p.mu.Unlock()
	}
	return s
}

// received returns how many events the subscribers of a kind have received.
func (r *run) received(k kind) (n int64) {
	for _, l := range r.shards {
		l.lock()
		n += l.counts[k].events
		l.unlock()
	}
	return n
}
