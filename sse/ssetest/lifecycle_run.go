package ssetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// caseTime is how long a case runs, on the clock of its bubble. It is longer than every delay in the cases, except in
// those with OutcomeWaiting.
const caseTime = time.Hour

// TestLifecycle runs each lifecycle case as a subtest, against an in-memory server. Each subtest has its own synctest
// bubble, where an hour of waiting takes no time.
func TestLifecycle(t *testing.T, client LifecycleClient) {
	for _, c := range LifecycleCases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := c.run(t, client); err != nil {
					t.Fatalf("%s\n\nsection %s: %s", err, c.Section, c.Says)
				}
			})
		})
	}
}

// lifecycle is a case being run.
type lifecycle struct {
	LifecycleCase
	client  LifecycleClient
	server  *Server
	session Session

	mu     sync.Mutex // guards the following
	states []sse.State
	events []sse.Event
	ended  bool  // the sequence of events has ended
	err    error // the error that the sequence yielded last
}

// run runs the case and returns an error that lists all violations.
func (c LifecycleCase) run(t testing.TB, client LifecycleClient) error {
	l := &lifecycle{LifecycleCase: c, client: client, server: NewServer(t)}
	for _, connection := range c.Connections {
		l.server.Add(connection.Answer)
		if connection.Repeat {
			l.server.Otherwise(connection.Answer)
		}
	}
	if !c.repeats() {
		l.server.Otherwise(Raw(Hold())) // an answer could make the client reconnect in a tight loop
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	req.Header = c.Header.Clone()
	l.session = client.Open(req, l.server.Client(), l.observe)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.collect()
	}()
	<-time.After(caseTime)
	return l.check(done)
}

func (c LifecycleCase) repeats() bool {
	return len(c.Connections) > 0 && c.Connections[len(c.Connections)-1].Repeat
}

// observe records a state, and closes the client if the case demands it.
func (l *lifecycle) observe(s sse.State) {
	l.mu.Lock()
	l.states = append(l.states, s)
	times := 0
	for _, seen := range l.states {
		if l.Close != nil && seen == l.Close.State {
			times++
		}
	}
	l.mu.Unlock()
	if l.Close != nil && s == l.Close.State && times == l.Close.Times {
		l.session.Close()
	}
}

// collect records the events and the end of the sequence, and closes the client if the case demands it.
func (l *lifecycle) collect() {
	var last error
	n := 0
	for e, err := range l.session.Events() {
		if err != nil {
			last = err
			continue
		}
		l.mu.Lock()
		l.events = append(l.events, e)
		l.mu.Unlock()
		n++
		if l.Close != nil && l.Close.Times == 0 && n == l.Close.Events {
			l.session.Close()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.err = true, last
}

// check compares the client's behaviour so far with the case. Then it closes the client, which must end its sequence.
func (l *lifecycle) check(done <-chan struct{}) error {
	l.mu.Lock()
	states, events, ended, err := slices.Clone(l.states), slices.Clone(l.events), l.ended, l.err
	l.mu.Unlock()
	faults := l.checkRequests(l.server.Requests())
	if !slices.Equal(states, l.States) {
		faults = append(faults, fmt.Errorf("states: got %v, want %v", states, l.States))
	}
	if !slices.Equal(events, l.Events) {
		faults = append(faults, fmt.Errorf("events: got %s, want %s", list(events), list(l.Events)))
	}
	faults = append(faults, l.checkOutcome(ended, err))
	l.session.Close()
	ctx, cancel := context.WithTimeout(context.Background(), caseTime)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		faults = append(faults, errors.New("closing the client did not end its sequence"))
	}
	return errors.Join(faults...)
}

func (l *lifecycle) checkOutcome(ended bool, err error) error {
	switch {
	case !ended && l.Outcome != OutcomeOpen && l.Outcome != OutcomeWaiting:
		return fmt.Errorf("the client is still running, want %s", l.Outcome)
	case ended && (l.Outcome == OutcomeOpen || l.Outcome == OutcomeWaiting):
		return fmt.Errorf("the client ended with error %w, want %s", err, l.Outcome)
	case l.Outcome == OutcomeFailed && err == nil:
		return errors.New("the client ended without an error")
	case l.Outcome == OutcomeClosed && err != nil:
		return fmt.Errorf("the client was closed, but ended with error %w", err)
	}
	return nil
}

func (l *lifecycle) checkRequests(requests []*Exchange) []error {
	var faults []error
	if n, want := len(requests), len(l.Connections); n < want || n > want && !l.repeats() {
		faults = append(faults, fmt.Errorf("got %d requests, want %d", n, want))
	}
	for i := range min(len(requests), len(l.Connections)) {
		want, got := l.Connections[i], requests[i]
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("request %d: %s", i, fmt.Sprintf(format, args...)))
		}
		if got.Method != http.MethodGet {
			fault("the method is %s, want GET", got.Method)
		}
		if want.URL != "" && got.URL.String() != want.URL {
			fault("the URL is %s, want %s", got.URL, want.URL)
		}
		for name, value := range want.Header {
			values := got.Header.Values(name)
			switch {
			case value == nil && len(values) > 0:
				fault("it has header field %s %q, want none", name, values)
			case value != nil && (len(values) != 1 || values[0] != *value):
				fault("its header field %s is %q, want exactly %q", name, values, *value)
			}
		}
		if i > 0 {
			l.checkDelay(want, requests[i-1], got, fault)
		}
	}
	return faults
}

func (l *lifecycle) checkDelay(want Connection, before, got *Exchange, fault func(string, ...any)) {
	after := want.After
	if want.AfterDefault {
		after = l.client.ReconnectionTime
	}
	ended, _ := before.Ended()
	waited := got.At.Sub(ended)
	if after >= 0 && (waited < after || l.client.Exact && waited > after) {
		fault("it came %v after the end of the previous connection, want %v", waited, after)
	}
}

// list formats events for an error message.
func list(events []sse.Event) string {
	texts := make([]string, len(events))
	for i, e := range events {
		texts[i] = brief(e)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
