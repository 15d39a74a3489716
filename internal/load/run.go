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

// run is one run.
type run struct {
	*Options
	ctx   context.Context // ends with the run
	began time.Time
	magic []byte

	subscribe *url.URL   // that of topic 0
	targets   []*url.URL // by topic
	sources   []net.Addr

	streams []stream // by topic and publisher
	backlog []uint32 // by topic: the number behind the last that was missed

	ledgers    []*ledger
	followers  []*follower // by kind: live, slow, missed, probe
	publishers []*publisher
	carriers   []carrier

	dialing chan struct{} // has one for each connection under way
	settled atomic.Int64  // followers that have had a stream, or will get none
	up      atomic.Int64  // followers that have one
	due     atomic.Int64  // events that live followers should get
	trouble trouble
	status  status
}

// Run does what o says. If ctx ends while it measures, the report is of what was measured until then.
func Run(ctx context.Context, o *Options) (*Report, error) {
	// One for who reads without end, and one for those who wait for the network: with a single P they would look for what has
	// come only every 10 ms.
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	all, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.ctx = all
	if err := r.setCarriers(ctx); err != nil {
		stop()
		return nil, err
	}
	report, err := r.whole(ctx)
	stop()
	for _, c := range r.carriers {
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
			return nil, fmt.Errorf("%q is no address", s)
		}
		r.sources = append(r.sources, &net.TCPAddr{IP: ip})
	}
	r.streams = make([]stream, r.Topics*r.Publishers)
	r.backlog = make([]uint32, r.Topics)
	for range min(runtime.NumCPU(), 4) {
		r.ledgers = append(r.ledgers, new(ledger))
	}
	r.newFollowers()
	r.newPublishers()
	return r, nil
}

func (r *run) newFollowers() {
	for k, n := range [kinds]int{live: r.Subscribers, slow: r.Slow, missed: r.Missing, probe: min(r.Missing, r.Topics)} {
		for i := range n {
			f := &follower{run: r, kind: kind(k), number: len(r.followers), topic: i % r.Topics}
			f.tallies = make([]tally, r.Publishers)
			if !r.byTopic() {
				f.topic = -1
				f.tallies = make([]tally, len(r.streams))
			}
			f.magic = r.magic
			r.followers = append(r.followers, f)
		}
	}
}

// of returns the followers of a kind.
func (r *run) of(k kind) []*follower {
	first := 0
	for first < len(r.followers) && r.followers[first].kind < k {
		first++
	}
	end := first
	for end < len(r.followers) && r.followers[end].kind == k {
		end++
	}
	return r.followers[first:end]
}

// now returns the time since the run began.
func (r *run) now() time.Duration { return time.Since(r.began) }

func (r *run) stream(topic, publisher int) int { return topic*r.Publishers + publisher }

// whole does everything, one after the other.
func (r *run) whole(ctx context.Context) (*Report, error) {
	watching := r.watch(ctx)
	defer watching()
	var m measurement
	var err error
	if m.empty, err = r.usage(); err != nil {
		return nil, err
	}
	there := r.followers[:r.Subscribers+r.Slow]
	r.status.phase.Store("connecting")
	r.connectAll(ctx, there)
	if err := r.awaitConnected(ctx, int64(len(there))); err != nil {
		return nil, err
	}
	if m.idle, err = r.settle(ctx); err != nil {
		return nil, err
	}
	r.status.phase.Store("publishing what will be missed")
	if err := r.letMiss(ctx); err != nil {
		return nil, err
	}
	if err := r.measure(ctx, &m); err != nil {
		return nil, err
	}
	return r.report(&m), nil
}

// settle returns what the hub takes with everybody connected, and nothing else to do: when its memory has not fallen for some time, or
// when it has had time enough. Right after thousands have connected it has what it needed for that, too.
func (r *run) settle(ctx context.Context) (usage, error) {
	u, err := r.usage()
	if len(r.PIDs) == 0 {
		return u, err
	}
	const looks, calm = 10, 3 // seconds
	for look, still := 0, 0; err == nil && look < looks && still < calm; look++ {
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

// measurement is what was the case at certain times.
type measurement struct {
	empty, idle  usage // before connections, and with them
	begin, end   usage
	before, then snapshot
}

// measure lets publishers publish, and connections come and go, for as long as was asked for.
func (r *run) measure(ctx context.Context, m *measurement) error {
	publishing, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	finish := func() { stop(); working.Wait() }
	defer finish()
	r.status.phase.Store("warming up")
	for _, p := range r.publishers {
		working.Go(func() { p.work(publishing) })
	}
	_ = sleep(ctx, r.WarmUp) // if ctx is over, so is all that follows
	var err error
	if m.begin, err = r.usage(); err != nil {
		return err
	}
	m.before = r.begin()
	r.status.phase.Store("measuring")
	if back := r.of(missed); len(back) > 0 {
		working.Go(func() { r.connectAll(ctx, back) })
	}
	if r.Churn > 0 {
		working.Go(func() { r.churn(publishing) })
	}
	_ = sleep(ctx, r.Duration)
	_ = r.await(ctx, r.absent) // what those who were there notice of it is part of the measurement
	m.then = r.snapshot()
	m.end, err = r.usage()
	finish()
	if err != nil {
		return err
	}
	if s := r.snapshot(); r.Publishers > 0 && s.sent.events == 0 && s.sent.refused > 0 {
		return fmt.Errorf("nothing could be published: %w", r.trouble.most())
	}
	r.status.phase.Store("waiting for the last events")
	_ = r.await(ctx, r.left) // whoever has no patience gets a report, too
	return nil
}

// absent returns how many of those who come back have not had all that they missed.
func (r *run) absent() (n int64) {
	for _, f := range r.of(missed) {
		f.ledger.lock()
		if f.done == 0 && f.state != given {
			n++
		}
		f.ledger.unlock()
	}
	return n
}

// left returns how many events have not come yet to those who should have them.
func (r *run) left() (n int64) {
	for _, f := range r.followers {
		f.ledger.lock()
		if f.kind != probe && f.up > 0 {
			n += f.lost()
		}
		f.ledger.unlock()
	}
	return n
}

// snapshot is what was counted up to a time.
type snapshot struct {
	at      time.Duration
	counts  [kinds]counts
	latency histogram
	sent    sent
}

func (r *run) snapshot() (s snapshot) {
	s.at = r.now()
	for _, l := range r.ledgers {
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

// begin takes a snapshot, and begins to measure times.
func (r *run) begin() snapshot {
	s := r.snapshot()
	for _, l := range r.ledgers {
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

// received returns how many events those of a kind have.
func (r *run) received(k kind) (n int64) {
	for _, l := range r.ledgers {
		l.lock()
		n += l.counts[k].events
		l.unlock()
	}
	return n
}
