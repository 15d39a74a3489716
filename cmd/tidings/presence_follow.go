package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse"
)

// follow prints who is present at the topic, and then each change.
func (c *presenceCmd) follow(ctx context.Context, hub *hubClient, std stdio) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer catch(cancel)()
	defer watchReader(std.out, func() { cancel(&outputError{errReaderGone}) })()

	status := &status{program: "tidings presence", w: std.err, terminal: isTerminal(std.err), server: hub.String(), hub: true, at: hub.Hub}
	failures := 0
	client := &tidings.Client{
		URL: hub.URL.String(), Token: c.Token, HTTP: hub.http, Header: http.Header{"User-Agent": {hub.name}}, Backoff: patienceWith(hub.URL.Hostname()),
		OnRetry: func(err error, wait time.Duration) {
			failures++
			status.observe(sse.Connecting, &sse.Failure{Err: err, Attempt: failures, Delay: wait}, "", "")
		},
	}
	p := c.printer(std.out, true)
	options := &tidings.PresenceOptions{Present: c.Join, Subject: c.Sub, Data: json.RawMessage(c.PresentData)}
	messages, settling, unseen := 0, false, false
	for state, err := range client.Presence(ctx, c.topic, options) {
		if err != nil {
			return c.outcome(ctx, status, err)
		}
		if !status.open { // each stream begins with the state
			failures = 0
			status.observe(sse.Open, nil, "", "")
		}
		if state.Settling && !settling {
			status.note(settlingText + " for some 15 s")
		}
		settling = state.Settling
		if !unseen && c.unseen(&state) {
			unseen = true
			status.note("the hub counts the stream, and nobody sees you as a member, because the stream has no subject; name one with --sub at a hub without keys, elsewhere in the token")
		}
		if err := p.news(&state); err != nil {
			return c.outcome(ctx, status, &outputError{err})
		}
		if messages++; messages == c.Count {
			break
		}
	}
	return nil
}

// unseen reports whether the stream makes nobody a member. At a hub without keys a token names no subject either.
func (c *presenceCmd) unseen(state *tidings.Presence) bool {
	return c.Join && c.Sub == "" && (c.Token == "" || state.Subjects == 0)
}

// outcome turns the end of a run into an error message and an exit code.
func (c *presenceCmd) outcome(ctx context.Context, status *status, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx) // err is only a consequence
	}
	output, unwritten := errors.AsType[*outputError](err)
	switch {
	case unwritten && (errors.Is(output.err, errReaderGone) || brokenPipe(output.err)):
		return nil
	case unwritten:
		return &exitError{exitFailure, err}
	case ctx.Err() != nil:
		status.leaveLine()
		return &exitError{exitInterrupted, nil}
	}
	return status.failure(err, status.at.URL, c.Token)
}
