package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// publisher appends events to random hubs.
type publisher struct {
	*sim
	name string
	rand *rand.Rand
	n    int
	last []ordertest.Sent // for repetitions
}

// run publishes until the context ends.
func (p *publisher) run(ctx context.Context) {
	for ctx.Err() == nil {
		p.pause(ctx, p.rand, 800*time.Millisecond)
		h := p.hubs[p.rand.IntN(len(p.hubs))]
		if log := h.running(); log != nil {
			p.publish(ctx, h, log)
		}
	}
}

func (p *publisher) publish(ctx context.Context, h *simHub, log *cluster.Log) {
	sent := p.events()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(1+p.rand.IntN(40))*time.Second)
	defer cancel()
	line := ordertest.Line{Kind: ordertest.Publish, Client: p.name, Hub: h.name, Start: p.rec.Now(), Sent: sent}
	receipts, err := log.Append(ctx, recordsOf(sent))
	if line.Outcome = outcome(err); line.Outcome != ordertest.Unknown {
		line.End = p.rec.Now()
	}
	for _, r := range receipts {
		line.IDs, line.Again = append(line.IDs, r.String()), append(line.Again, r.Duplicate)
	}
	p.rec.Add(line)
	if line.Outcome == ordertest.Unknown || p.rand.IntN(5) == 0 {
		p.last = sent
	}
}

// events returns the next events to publish: new ones, or those of an earlier request again.
func (p *publisher) events() (sent []ordertest.Sent) {
	if len(p.last) > 0 && p.last[0].Key != "" && p.rand.IntN(2) == 0 {
		sent, p.last = p.last, nil
		return sent
	}
	keyed := p.rand.IntN(2) == 0
	for range 1 + p.rand.IntN(3)*p.rand.IntN(2) {
		p.n++
		s := ordertest.Sent{Topics: []string{topics[p.rand.IntN(len(topics))]}, Data: fmt.Sprintf("%s %d", p.name, p.n)}
		if p.rand.IntN(4) == 0 {
			s.Topics = append(s.Topics, "also/"+s.Topics[0])
		}
		switch {
		case keyed:
			s.Key = fmt.Sprintf("%s-%d", p.name, p.n)
		case p.rand.IntN(40) == 0:
			s.End = true
		}
		sent = append(sent, s)
	}
	if keyed && p.rand.IntN(10) == 0 { // a key that another publisher uses too
		sent = []ordertest.Sent{{Topics: []string{"shared"}, Data: "shared", Key: "shared"}}
	}
	return sent
}

var topics = []string{"a/1", "a/2", "b/1", "b/2", "c"}

func recordsOf(sent []ordertest.Sent) (records []eventlog.Record) {
	for _, s := range sent {
		r := eventlog.Record{Topics: s.Topics, Data: s.Data, Key: s.Key}
		if s.End {
			r.Flags = eventlog.End
		}
		records = append(records, r)
	}
	return records
}

func sentOf(r *eventlog.Record) *ordertest.Sent {
	return &ordertest.Sent{Topics: r.Topics, Data: r.Data, Key: r.Key, End: r.Flags&eventlog.End != 0}
}

// subscriber follows a subscription, on one hub after the other, as a browser does.
type subscriber struct {
	*sim
	name   string
	rand   *rand.Rand
	topics []string
	at     eventlog.Position
}

func (s *subscriber) selector() eventlog.Selector {
	if s.topics == nil {
		return eventlog.Select(nil, eventlog.MustPattern("**"))
	}
	var names []string
	var patterns []eventlog.Matcher
	for _, t := range s.topics {
		if p, err := eventlog.ParsePattern(t); err == nil && strings.Contains(t, "*") {
			patterns = append(patterns, p)
		} else {
			names = append(names, t)
		}
	}
	return eventlog.Select(names, patterns...)
}

func (s *subscriber) add(l ordertest.Line, h *simHub) {
	l.Client, l.Hub = s.name, h.name
	s.rec.Add(l)
}

// run follows until the context ends.
func (s *subscriber) run(ctx context.Context) {
	for ctx.Err() == nil {
		h := s.hubs[s.rand.IntN(len(s.hubs))]
		if log := h.running(); log != nil && time.Since(log.Contact()) < 15*time.Second {
			s.connect(ctx, h, log)
		}
		s.pause(ctx, s.rand, time.Second)
	}
}

// connect is one connection, which ends by chance, with its hub, or when the hub has no contact with the order.
func (s *subscriber) connect(ctx context.Context, h *simHub, log *cluster.Log) {
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	err := log.Await(wait, s.at)
	cancel()
	if err != nil || log.Head().Gen == "" {
		return
	}
	if s.at.IsZero() {
		s.at = log.Head()
	}
	s.add(ordertest.Line{Kind: ordertest.Open, ID: s.at.String(), Topics: s.topics}, h)
	defer s.add(ordertest.Line{Kind: ordertest.Close}, h)
	q := eventlog.Query{Selector: s.selector(), After: s.at}
	for ctx.Err() == nil && s.rand.IntN(60) > 0 && time.Since(log.Contact()) < 15*time.Second && h.running() == log {
		a, err := log.Read(ctx, q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			s.add(ordertest.Line{Kind: ordertest.Gap, Reason: string(gap.Reason), ID: gap.To.String()}, h)
			q = gap.Partial(q)
			s.at = q.After
			continue
		} else if err != nil {
			return
		}
		for i := range a.Records {
			r := &a.Records[i]
			s.at = eventlog.Position{Gen: a.Complete.Gen, Seq: r.Seq}
			s.add(ordertest.Line{Kind: ordertest.Event, ID: s.at.String(), Event: sentOf(r)}, h)
		}
		if a.Complete != s.at {
			s.at = a.Complete
			s.add(ordertest.Line{Kind: ordertest.Checkpoint, ID: s.at.String()}, h)
		}
		q.After = a.Complete
		s.pause(ctx, s.rand, 300*time.Millisecond)
	}
}

// pause is the pause of a client between two requests: up to most, and longer while the cluster settles.
func (s *sim) pause(ctx context.Context, r *rand.Rand, most time.Duration) {
	if s.settling.Load() {
		most *= 8
	}
	sleep(ctx, time.Duration(r.IntN(int(most.Milliseconds())))*time.Millisecond)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
