package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// stream records what a publisher has published on a topic. Others read it only after the publisher has ended.
type stream struct {
	published uint32
	refused   []span // events whose request failed or was refused
}

// publisher sends one request at a time, so that its events have a defined order.
type publisher struct {
	run    *run
	number int
	client *http.Client

	mu   sync.Mutex
	sent sent // guarded by mu
}

// sent counts a publisher's requests.
type sent struct {
	requests int64
	events   int64
	refused  int64 // events
	acks     histogram
}

func (s *sent) add(o *sent) {
	s.requests += o.requests
	s.events += o.events
	s.refused += o.refused
	s.acks.merge(&o.acks)
}

const publishTimeout = 30 * time.Second

func (r *run) newPublishers() {
	transport := r.transport(live, 0)
	transport.MaxIdleConnsPerHost = r.Publishers
	transport.Protocols.SetHTTP1(true)
	client := &http.Client{Transport: transport, Timeout: publishTimeout}
	for i := range r.Publishers {
		r.publishers = append(r.publishers, &publisher{run: r, number: i, client: client})
	}
}

// publishLoop publishes until ctx is done. It returns after the response to its last request.
func (p *publisher) publishLoop(ctx context.Context) {
	r := p.run
	requests := r.Rate / float64(r.Publishers*r.Batch)
	pace := r.newPace(requests)
	pace.first += pace.every * time.Duration(p.number) / time.Duration(r.Publishers) // spreads the publishers evenly over an interval
	for i := 0; pace.wait(ctx) == nil; i++ {
		if r.Rate == 0 && r.waitForSubscribers(ctx) != nil {
			return
		}
		topic := (p.number + i*r.Publishers) % r.Topics
		if err := p.publish(topic, r.Batch, r.now()-pace.late); err != nil {
			const retryDelay = 100 * time.Millisecond
			_ = sleep(ctx, retryDelay) // pace.wait returns the same error
		}
	}
}

// waitForSubscribers waits while publishers are more than Options.Ahead events ahead of the average subscriber.
func (r *run) waitForSubscribers(ctx context.Context) error {
	const poll, stalled = 100 * time.Microsecond, 100 * time.Millisecond
	last, since := int64(-1), r.now()
	for {
		passed := r.processed()
		switch {
		case r.due.Load()-passed <= int64(r.Ahead)*r.recipients():
			return ctx.Err()
		case passed != last:
			last, since = passed, r.now()
		case r.now()-since > stalled: // the missing events are lost, so waiting longer has no use
			return ctx.Err()
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// recipients returns how many live subscribers receive an event on average, at least 1.
func (r *run) recipients() int64 {
	n := int64(r.Subscribers)
	if r.byTopic() {
		n /= int64(r.Topics)
	}
	return max(n, 1)
}

// processed returns how many events all live subscribers together have processed.
func (r *run) processed() (n int64) {
	for _, l := range r.shards {
		n += l.processedNow.Load()
	}
	return n
}

// publish publishes n events in one request.
func (p *publisher) publish(topic, n int, at time.Duration) error {
	r := p.run
	s := &r.streams[r.stream(topic, p.number)]
	batch := span{s.published, s.published + uint32(n)}
	s.published = batch.to // even if the request fails: a number is never used for two events
	body := p.body(topic, batch, at)
	r.due.Add(int64(n) * r.recipients())
	began := r.now()
	err := p.send(topic, body)
	took := r.now() - began

	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent.requests++
	if err != nil {
		r.due.Add(-int64(n) * r.recipients())
		s.refused = append(s.refused, batch)
		p.sent.refused += int64(n)
		r.errorCounts.add(err)
		return err
	}
	p.sent.events += int64(n)
	p.sent.acks.add(took)
	return nil
}

// body returns the body of a request: one line per event, made from Options.Body.
func (p *publisher) body(topic int, batch span, at time.Duration) []byte {
	r := p.run
	before, after, _ := strings.Cut(strings.ReplaceAll(r.Body, "{topic}", r.topicName(topic)), "{data}")
	var b []byte
	for seq := batch.from; seq < batch.to; seq++ {
		if seq > batch.from {
			b = append(b, '\n')
		}
		b = append(b, before...)
		b = appendMark(b, r.magic, mark{topic, p.number, seq, at}, r.Size)
		b = append(b, after...)
	}
	return b
}

// send sends a request. It returns a *Refusal if the status is not 2xx.
func (p *publisher) send(topic int, body []byte) error {
	r := p.run
	// Uses the context of the run, because a request that the end of publishing canceled would have an unknown result.
	req, err := http.NewRequestWithContext(r.ctx, r.Method, urlFor(r.Publish, r.topicName(topic)), bytes.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, r.PublishHeader)
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // the body was read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode/100 != 2 {
		err = &Refusal{Response: resp, Text: text}
	}
	return err
}
