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

// stream is what a publisher has published on a topic. Only the publisher touches it; others look when it has ended.
type stream struct {
	published uint32
	refused   []span // of those the hub said no to, or nothing
}

// publisher sends one request at a time, so that there is an order that its events have.
type publisher struct {
	run    *run
	number int
	client *http.Client

	mu   sync.Mutex
	sent sent // guarded by mu
}

// sent is what came of publishing.
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

// work publishes until ctx is over. The last request has its answer then.
func (p *publisher) work(ctx context.Context) {
	r := p.run
	requests := r.Rate / float64(r.Publishers*r.Batch)
	pace := r.newPace(requests)
	pace.first += pace.every * time.Duration(p.number) / time.Duration(r.Publishers) // they take turns
	for i := 0; pace.wait(ctx) == nil; i++ {
		if r.Rate == 0 && r.waitForSubscribers(ctx) != nil {
			return
		}
		topic := (p.number + i*r.Publishers) % r.Topics
		if err := p.publish(topic, r.Batch, r.now()-pace.late); err != nil {
			const breath = 100 * time.Millisecond
			_ = sleep(ctx, breath) // its error is that of pace.wait
		}
	}
}

// waitForSubscribers waits while publishers are far ahead of them.
func (r *run) waitForSubscribers(ctx context.Context) error {
	const look, stalled = 100 * time.Microsecond, 100 * time.Millisecond
	last, since := int64(-1), r.now()
	for {
		passed := r.passed()
		switch {
		case r.due.Load()-passed <= int64(r.Ahead)*r.audience():
			return ctx.Err()
		case passed != last:
			last, since = passed, r.now()
		case r.now()-since > stalled: // it has lost something; who waits for that waits for ever
			return ctx.Err()
		}
		if err := sleep(ctx, look); err != nil {
			return err
		}
	}
}

// audience is how many subscribers receive an event, on average, and at least 1.
func (r *run) audience() int64 {
	n := int64(r.Subscribers)
	if r.byTopic() {
		n /= int64(r.Topics)
	}
	return max(n, 1)
}

// passed returns how many events subscribers have behind them.
func (r *run) passed() (n int64) {
	for _, l := range r.ledgers {
		n += l.passed.Load()
	}
	return n
}

// publish publishes n events in one request.
func (p *publisher) publish(topic, n int, at time.Duration) error {
	r := p.run
	s := &r.streams[r.stream(topic, p.number)]
	batch := span{s.published, s.published + uint32(n)}
	s.published = batch.to // whatever comes of it: a number has one event
	body := p.body(topic, batch, at)
	r.due.Add(int64(n) * r.audience())
	began := r.now()
	err := p.send(topic, body)
	took := r.now() - began

	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent.requests++
	if err != nil {
		r.due.Add(-int64(n) * r.audience())
		s.refused = append(s.refused, batch)
		p.sent.refused += int64(n)
		r.trouble.note(err)
		return err
	}
	p.sent.events += int64(n)
	p.sent.acks.add(took)
	return nil
}

// body returns the body of a request: the template once for each event.
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

// send makes a request, and wants an answer of 200 or so.
func (p *publisher) send(topic int, body []byte) error {
	r := p.run
	// Not the context of publishing: who cuts off a request does not know what came of it.
	req, err := http.NewRequestWithContext(r.ctx, r.Method, urlFor(r.Publish, r.topicName(topic)), bytes.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, r.PublishHeader)
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode/100 != 2 {
		err = &Refusal{resp.StatusCode, "publishing: the answer was " + resp.Status + ": " + shortText(text)}
	}
	return err
}

// shortText returns the beginning of what a hub says, in one line.
func shortText(text []byte) string {
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "\uFFFD")), " ")
	return fmt.Sprintf("%.200s", s)
}
