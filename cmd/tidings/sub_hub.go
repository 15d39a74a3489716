package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// Topics of a hub are followed with the client for hubs, which checks envelopes and positions, and asks for long lists of topics by
// QUERY. The URL of a stream is followed with package sse, by a request of the user's own if --method or --data say so.

// openHub prepares the subscription to topics of a hub. The request says what is to be sent besides.
func (f *follower) openHub(ctx context.Context, req *http.Request, hub address.Hub, h *http.Client, comment func([]byte)) error {
	c := f.cmd
	header := req.Header.Clone()
	start := header.Get(lastEventID)
	header.Del(lastEventID) // or it would go along with each reconnection
	if strings.ContainsFunc(start, func(r rune) bool { return r < '!' || r > '~' }) {
		return &exitError{exitUsage, fmt.Errorf("%q is no position of a hub", start)}
	}
	if req.Host != req.URL.Host {
		header.Set("Host", req.Host)
	}
	failures := 0
	client := &tidings.Client{
		URL: hub.URL.String(), Header: header, HTTP: h, Backoff: patienceWith(hub.URL.Hostname()),
		OnRetry: func(err error, wait time.Duration) {
			failures++
			f.status.observe(sse.Connecting, &sse.Failure{Err: err, Attempt: failures, Delay: wait}, "", "")
		},
	}
	options := &tidings.SubscribeOptions{
		After: start, Since: c.Since, Last: c.Last, IdleTimeout: cmp.Or(c.IdleTimeout, -1), MaxEvent: c.MaxEvent,
		OnComment: comment, Recover: c.recover(),
		OnGap: func(tidings.Gap) error { return nil }, // it is shown as an event
	}
	f.messages = func(yield func(message, error) bool) { f.hubMessages(ctx, client, options, yield) }
	return nil
}

// hubMessages yields what a hub sends: events, and between them what it says about the stream.
func (f *follower) hubMessages(ctx context.Context, client *tidings.Client, options *tidings.SubscribeOptions, yield func(message, error) bool) {
	var (
		s       *tidings.Subscription
		last    sse.Event
		stopped bool
	)
	options.OnRaw = func(e sse.Event) {
		if last = e; wire.IsControl(e.Type) && !stopped && !yield(message{Event: e}, nil) {
			stopped = true
			s.Close()
		}
	}
	options.OnOpen = func() { f.status.observe(sse.Open, nil, "", s.Position()) }
	s = client.Open(ctx, f.cmd.topics, options)
	f.status.observe(sse.Connecting, nil, f.status.server+" for "+strings.Join(f.cmd.topics, ", "), "")
	for _, err := range s.Events() {
		switch {
		case stopped:
			return
		case err != nil:
			yield(message{}, err)
			return
		case !yield(unwrap(last), nil): // as it came: --format ndjson shows members that we do not know
			return
		}
	}
}

// rawMessages yields the events of a stream that is followed with package sse.
func rawMessages(events iter.Seq2[sse.Event, error]) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		for e, err := range events {
			if !yield(message{Event: e}, err) {
				return
			}
		}
	}
}

// recover returns the policy that the flags ask for, nil for the usual one.
func (c *subCmd) recover() func(*sse.Failure) (time.Duration, bool) {
	switch {
	case c.Once:
		return func(*sse.Failure) (time.Duration, bool) { return 0, false }
	case c.Browser:
		return sse.WHATWG
	}
	return nil
}
