package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/history"
)

// publisher sends one request after the other. It repeats a request whose outcome is unknown at another hub, until it is known.
type publisher struct {
	*Load
	name   string
	batch  int // events of a request
	random *rand.Rand
	http   *http.Client

	sent  int    // events
	reply string // the topic that it ends soon
	left  int    // events of reply before its end; -1: it has ended, and one event is refused
}

func (l *Load) publisher(i int) *publisher {
	p := &publisher{Load: l, name: fmt.Sprintf("p%d", i), batch: 1, random: l.random("publisher", i), http: client()}
	if i%2 == 1 && l.driver.Features().Batches {
		p.batch = l.Batch
	}
	return p
}

func (p *publisher) run(ctx context.Context, publishing <-chan struct{}) {
	defer p.http.CloseIdleConnections()
	every := time.Duration(float64(p.batch) / p.Rate * float64(time.Second))
	for {
		select {
		case <-publishing:
			return
		default:
		}
		began := time.Now()
		p.send(ctx, p.next())
		if ctx.Err() != nil {
			return
		}
		if left := every - time.Since(began); left > 0 {
			pause(ctx, p.random, left)
		}
	}
}

// next returns the events of the next request.
func (p *publisher) next() []history.Sent {
	events := make([]history.Sent, p.batch)
	for i := range events {
		events[i] = history.Sent{Name: fmt.Sprintf("%s.%d", p.name, p.sent), Topics: some(p.random, 1)}
		p.sent++
		if p.driver.Features().ManyTopics && p.random.IntN(8) == 0 {
			events[i].Topics = some(p.random, 2)
		}
		if p.batch == 1 && p.driver.Features().Ends && p.random.IntN(4) == 0 {
			p.advance(&events[i])
		}
	}
	return events
}

// advance makes an event the next one of the topic that ends: some events, the end, and one event too many.
func (p *publisher) advance(e *history.Sent) {
	if p.reply == "" {
		p.reply, p.left = fmt.Sprintf("reply/%s/%d", p.name, p.sent), p.random.IntN(6)
	}
	e.Topics = []string{p.reply}
	e.End = p.left == 0
	if p.left--; p.left < -1 {
		p.reply = ""
	}
}

// giveUp is how long a publisher repeats a request.
const giveUp = 2 * time.Minute

func (p *publisher) send(ctx context.Context, events []history.Sent) {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	for _, e := range events {
		p.published.Store(e.Name, e)
	}
	if p.hubs > 1 && p.driver.Features().Keys && p.random.Float64() < p.Twice { // at two hubs at once
		var other sync.WaitGroup
		hub := 1 + p.random.IntN(p.hubs)
		other.Go(func() { p.post(ctx, p.http, p.name, hub, events) })
		defer other.Wait()
	}
	for ctx.Err() == nil {
		switch p.post(ctx, p.http, p.name, 1+p.random.IntN(p.hubs), events) {
		case history.OK, history.Duplicate, history.Refused:
			return
		case history.Unknown:
			if !p.driver.Features().Keys {
				return // a retry would be another event
			}
		}
		pause(ctx, p.random, 100*time.Millisecond)
	}
}

// post sends a request once, and records it.
func (l *Load) post(ctx context.Context, c *http.Client, who string, hub int, events []history.Sent) history.Outcome {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entry := history.Entry{Kind: history.Publish, At: l.log.Now(), Who: who, Hub: hub, Events: events}
	entry.Outcome, entry.IDs, entry.Why = l.exchange(ctx, c, hub, events)
	entry.End = l.log.Now()
	l.log.Add(entry)
	switch entry.Outcome {
	case history.OK, history.Duplicate:
		l.Acknowledged.Add(int64(len(events)))
	case history.Refused:
		l.Refused.Add(1)
	case history.Unknown:
		l.Unknown.Add(1)
	}
	return entry.Outcome
}

func (l *Load) exchange(ctx context.Context, c *http.Client, hub int, events []history.Sent) (history.Outcome, []history.Position, string) {
	full := make([]driver.Sent, len(events))
	for i, e := range events {
		full[i] = driver.Sent{Sent: e, Data: driver.Content(e.Name)}
	}
	req, err := l.driver.Publish(ctx, hub, full)
	if err != nil {
		return history.Busy, nil, err.Error()
	}
	// An HTTP client may send a request again by itself, and then fail to connect. So the outcome depends on whether any byte was sent,
	// not on the last error.
	sent := false
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent = true }}
	resp, err := c.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	switch {
	case err != nil && !sent && errors.Is(err, syscall.ECONNREFUSED):
		return history.Busy, nil, "connection refused"
	case err != nil:
		return history.Unknown, nil, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return history.Unknown, nil, err.Error()
	}
	outcome, ids := l.driver.Answer(resp.StatusCode, body, full)
	if outcome == history.OK || outcome == history.Duplicate {
		return outcome, ids, ""
	}
	return outcome, ids, fmt.Sprintf("%d %.200s", resp.StatusCode, body)
}
