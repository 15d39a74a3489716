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

// Topics of a hub use package tidings, which checks envelopes and positions, and sends long lists of topics by QUERY. Other streams use
// package sse.

// openHub prepares a subscription to topics of a hub. req has the header fields to send.
func (f *follower) openHub(ctx context.Context, req *http.Request, hub address.Hub, h *http.Client, comment func([]byte)) error {
	c := f.cmd
	header := req.Header.Clone()
	start := header.Get(lastEventID)
	header.Del(lastEventID) // it would override the position at each reconnection
	if strings.ContainsFunc(start, func(r rune) bool { return r < '!' || r > '~' }) {
		return &exitError{exitUsage, fmt.Errorf("%q is not a position of a hub", start)}
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
		OnGap: func(tidings.Gap) error { return nil }, // the gap is shown as an event
	}
	f.messages = func(yield func(message, error) bool) { f.hubMessages(ctx, client, options, yield) }
	return nil
}

// hubMessages yields the events of a hub, control events included.
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
		case !yield(unwrap(last), nil): // unchanged, so that --format ndjson shows members that this version does not know
			return
		}
	}
}

// rawMessages yields the events of another stream.
func rawMessages(events iter.Seq2[sse.Event, error]) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		for e, err := range events {
			if !yield(message{Event: e}, err) {
				return
			}
		}
	}
}

// recover returns the reconnection policy of the flags, nil for the default.
func (c *subCmd) recover() func(*sse.Failure) (time.Duration, bool) {
	switch {
	case c.Once:
		return func(*sse.Failure) (time.Duration, bool) { return 0, false }
	case c.Browser:
		return sse.WHATWG
	}
	return nil
}
