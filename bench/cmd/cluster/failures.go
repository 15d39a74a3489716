package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// prober publishes numbers without a pause at hubs in turn, and repeats each until it is acknowledged. It also follows them at all hubs, and
// checks that each number comes once and in order.
type prober struct {
	cluster *cluster
	acked   atomic.Int64 // numbers that were acknowledged
	retried atomic.Int64 // attempts that failed, of numbers that had failed once before
	failed  atomic.Int64 // attempts that failed

	mu       sync.Mutex // guards the following
	lastAck  time.Time
	pause    time.Duration // the longest without an acknowledgement
	lastSeen time.Time
	unseen   time.Duration // the longest time from an acknowledgement to the delivery
	wrong    []string
}

const probeEvery = 20 * time.Millisecond

// run publishes until ctx ends.
func (p *prober) run(ctx context.Context) {
	client := &http.Client{Timeout: 3 * time.Second}
	p.lastAck = time.Now()
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	for n := 0; ctx.Err() == nil; {
		text := strconv.Itoa(n)
		hub := p.cluster.hubs[n%3]
		for attempt := 0; ctx.Err() == nil; attempt++ {
			err := post(ctx, client, hub.url+"/events/probe", "text/plain", []byte(text), run+text)
			if err == nil {
				p.acknowledge()
				n++
				break
			}
			p.failed.Add(1)
			if attempt > 0 {
				p.retried.Add(1)
			}
			hub = p.cluster.hubs[(n+attempt+1)%3]
			time.Sleep(probeEvery)
		}
		time.Sleep(probeEvery)
	}
}

func (p *prober) acknowledge() {
	p.acked.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.pause = max(p.pause, now.Sub(p.lastAck))
	p.lastAck = now
}

// watch follows the numbers with a client that reconnects to the hubs in turn, until ctx ends.
func (p *prober) watch(ctx context.Context) {
	last, id := -1, ""
	for turn := 0; ctx.Err() == nil; turn++ {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cluster.hubs[turn%3].url+"/events/probe?since=earliest", http.NoBody)
		if err != nil {
			return
		}
		if id != "" {
			r.Header.Set("Last-Event-ID", id)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			time.Sleep(probeEvery)
			continue
		}
		d := sse.NewDecoder(resp.Body, nil)
		for d.Next() {
			e := d.Event()
			if e.ID != "" {
				id = e.ID
			}
			if e.Type == "tidings.gap" {
				p.complain("a gap: " + e.Data)
			}
			if n, err := strconv.Atoi(e.Data); err == nil && e.Type == "message" {
				if n != last+1 {
					p.complain(fmt.Sprintf("%d comes after %d", n, last))
				}
				last = n
				p.see()
			}
		}
		_ = resp.Body.Close()
	}
}

func (p *prober) see() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.lastSeen.IsZero() {
		p.unseen = max(p.unseen, now.Sub(p.lastSeen))
	}
	p.lastSeen = now
}

func (p *prober) complain(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, what)
}

// take returns the longest pauses since the last call.
func (p *prober) take() (pause, unseen time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause, unseen = max(p.pause, time.Since(p.lastAck)), p.unseen
	p.pause, p.unseen = 0, 0
	return pause, unseen
}

// started returns a running prober, and a function that stops it and returns its faults.
func (c *cluster) probe(ctx context.Context) (*prober, func() error) {
	p := &prober{cluster: c}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { p.run(ctx) })
	running.Go(func() { p.watch(ctx) })
	return p, func() error {
		cancel()
		running.Wait()
		if len(p.wrong) > 0 {
			return fmt.Errorf("%d faults, the first: %s", len(p.wrong), p.wrong[0])
		}
		return nil
	}
}

// measureLeader kills the hub that leads the shared log, again and again.
func measureLeader(ctx context.Context, c *cluster, s *settings) error {
	p, stop := c.probe(ctx)
	time.Sleep(2 * time.Second)
	var pauses, unseen []time.Duration
	for range s.kills {
		leader, err := c.leader(ctx)
		if err != nil {
			return err
		}
		p.take()
		leader.end(syscall.SIGKILL)
		time.Sleep(12 * time.Second) // an election takes 4 to 9 s
		pause, not := p.take()
		pauses, unseen = append(pauses, pause), append(unseen, not)
		if err := leader.start(); err != nil {
			return err
		}
		if err := leader.awaitReady(ctx); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	if err := stop(); err != nil {
		return err
	}
	slices.Sort(pauses)
	slices.Sort(unseen)
	row(fmt.Sprintf("leader killed %d times: longest without an acknowledgement, median / worst", len(pauses)),
		fmt.Sprintf("%.1f s / %.1f s", pauses[len(pauses)/2].Seconds(), pauses[len(pauses)-1].Seconds()), "election of JetStream 4 to 9 s", "")
	row("the same: longest without a delivery, median / worst",
		fmt.Sprintf("%.1f s / %.1f s", unseen[len(unseen)/2].Seconds(), unseen[len(unseen)-1].Seconds()), "", "")
	row("the same: lost, twice, out of order, false gaps", fmt.Sprintf("0 of %d", p.acked.Load()), "", "")
	return nil
}

// measureRolling restarts all hubs, one after the other, under load.
func measureRolling(ctx context.Context, c *cluster, _ *settings) error {
	p, stop := c.probe(ctx)
	time.Sleep(2 * time.Second)
	p.take()
	for _, h := range c.hubs {
		h.end(syscall.SIGTERM)
		if err := h.start(); err != nil {
			return err
		}
		if err := h.awaitReady(ctx); err != nil {
			return err
		}
	}
	time.Sleep(time.Second)
	pause, _ := p.take()
	if err := stop(); err != nil {
		return err
	}
	row("rolling restart: longest without an acknowledgement", fmt.Sprintf("%.2f s", pause.Seconds()), "", "")
	row("rolling restart: attempts that failed / failed when repeated at another hub", fmt.Sprintf("%d / %d of %d", p.failed.Load(), p.retried.Load(), p.acked.Load()), "", "")
	return nil
}

// measureMove kills a hub with thousands of subscribers, which have missed 100 events when they arrive at the others.
func measureMove(ctx context.Context, c *cluster, s *settings) error {
	var live, caughtUp atomic.Int64
	var moved sync.WaitGroup
	leader, err := c.leader(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(c.hubs[:], func(h *hub) bool { return h != leader }) // otherwise an election would be measured, too
	dead := c.hubs[at]
	others := slices.Delete(slices.Clone(c.hubs[:]), at, at+1)
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	again := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	for i := range s.moved {
		moved.Go(func() {
			id := read(running, client, dead.url+"/events/move", "", func(e *sse.Event) bool {
				if e.Type == "tidings.checkpoint" {
					live.Add(1)
				}
				return true
			})
			<-again
			missed := 0
			read(running, client, others[i%2].url+"/events/move", id, func(e *sse.Event) bool {
				if e.Type == "message" {
					missed++
				}
				if missed == 100 {
					caughtUp.Add(1)
				}
				return missed < 100
			})
		})
	}
	for live.Load() < int64(s.moved) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(50 * time.Millisecond)
	}
	dead.end(syscall.SIGKILL)
	for n := range 100 {
		if err := post(ctx, client, others[0].url+"/events/move", "text/plain", []byte(strconv.Itoa(n)), ""); err != nil {
			return err
		}
	}
	began := time.Now()
	close(again)
	for caughtUp.Load() < int64(s.moved) {
		if ctx.Err() != nil || time.Since(began) > patience {
			return fmt.Errorf("after %v, %d of %d have caught up", time.Since(began), caughtUp.Load(), s.moved)
		}
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(began)
	cancel()
	moved.Wait()
	row(fmt.Sprintf("%d subscribers of a dead hub live at the others, 100 missed each", s.moved), fmt.Sprintf("%.2f s", took.Seconds()), "", "")
	return nil
}

// read reads a stream until it ends or take returns false, and returns the last ID.
func read(ctx context.Context, client *http.Client, url, id string, take func(*sse.Event) bool) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return id
	}
	if id != "" {
		r.Header.Set("Last-Event-ID", id)
	}
	resp, err := client.Do(r)
	if err != nil {
		return id
	}
	defer func() { _ = resp.Body.Close() }()
	d := sse.NewDecoder(resp.Body, nil)
	for d.Next() {
		e := d.Event()
		if e.ID != "" {
			id = e.ID
		}
		if !take(&e) {
			return id
		}
	}
	return id
}
