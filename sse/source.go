package sse

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"
)

// State is the state of a [Source]. The values are those of EventSource.readyState (WHATWG HTML 9.2.2).
type State int

// The states of a Source.
const (
	Connecting State = iota // connecting, or waiting before a reconnection
	Open                    // connected; events may arrive
	Closed                  // the subscription has ended
)

func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Open:
		return "open"
	case Closed:
		return "closed"
	}
	return "invalid"
}

// ErrEnded is the [Failure.Err] of a connection whose stream ended cleanly.
var ErrEnded = errors.New("sse: the server ended the stream")

// ErrIdle is the [Failure.Err] of a connection on which no bytes arrived for [Client.IdleTimeout].
var ErrIdle = errors.New("sse: the server was silent for longer than the idle timeout")

// Reasons why an attempt ended that are not failures.
var (
	errBreak     = errors.New("the caller broke out of the loop")
	errNoContent = errors.New("the server answered 204")
	errRestart   = errors.New("sse: restarted")
)

// Source is a subscription. Its methods are safe for concurrent use.
type Source struct {
	client *Client
	http   *http.Client
	req    *http.Request   // the caller's
	ctx    context.Context // done when the request's is, on Close, and at the end of the sequence
	cancel context.CancelFunc
	events iter.Seq2[Event, error]

	mu          sync.Mutex // guards the following
	state       State
	lastEventID string
	interrupt   context.CancelCauseFunc // ends the current attempt or wait
	restart     bool                    // Restart was called since the current attempt began

	// The ranging goroutine owns the rest.
	retry    time.Duration // from the server's last retry field, if asked
	asked    bool
	failures int  // in a row
	sent     bool // the request's own body has been used

	redirected *http.Request // the request after the last redirect of the current attempt; nil if there was none
	answered   *http.Request // the last redirected request that got an answer
	from       *http.Request // what a reconnection repeats instead of req; nil until a policy sets KeepRedirect
}

// State returns the current state.
func (s *Source) State() State {
	if s.ctx.Err() != nil {
		return Closed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// LastEventID returns the ID after which the source would resume: the ID of the event yielded last. A block without
// data can also set it; that becomes visible with the next event or at the end of the connection.
func (s *Source) LastEventID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastEventID
}

// Restart drops the connection, or ends the delay before one. It reconnects at once with the last event ID, to the URL
// of the previous attempt. It does not count as a failure. If the request is not repeatable, the sequence ends instead.
// Before and after the range, Restart does nothing.
func (s *Source) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart = true
	if s.interrupt != nil {
		s.interrupt(errRestart)
	}
}

// Close ends the sequence at once and without an error; no more events are yielded. It can be called at any time and
// more than once.
func (s *Source) Close() { s.cancel() }

// Events returns the sequence of events that [Client.Subscribe] describes. Every call returns the same sequence.
func (s *Source) Events() iter.Seq2[Event, error] { return s.events }

func (s *Source) run(yield func(Event, error) bool) {
	defer s.cancel()
	defer func() {
		if !s.sent && s.req.Body != nil {
			_ = s.req.Body.Close() // as http.Client closes the body of a request that it cannot send
		}
	}()
	failure := s.follow(yield)
	s.enter(Closed, failure)
	if failure != nil {
		yield(Event{}, failure.Err)
	}
}

// follow connects again and again and returns the failure that ended the subscription, nil if it ended without one.
func (s *Source) follow(yield func(Event, error) bool) *Failure {
	if err := s.client.check(s.req); err != nil {
		return &Failure{Err: err}
	}
	repeatable := s.client.repeatable(s.req)
	var failure *Failure
	for {
		s.enter(Connecting, failure)
		if failure != nil {
			s.wait(failure.Delay)
		}
		if s.ctx.Err() != nil {
			return s.ended()
		}
		switch err := s.attempt(yield); {
		case errors.Is(err, errBreak), errors.Is(err, errNoContent):
			return nil
		case s.ctx.Err() != nil:
			return s.ended()
		case !repeatable && (errors.Is(err, ErrEnded) || errors.Is(err, errRestart)):
			return nil
		case errors.Is(err, errRestart):
			failure = nil
		default:
			failure = s.failure(err)
			if !repeatable || !s.client.recover(failure) {
				return failure
			}
			if failure.KeepRedirect && s.answered != nil {
				s.from = s.answered
			}
		}
	}
}

// ended returns the failure if the request's context is done, nil if Close was called.
func (s *Source) ended() *Failure {
	if err := s.req.Context().Err(); err != nil {
		return &Failure{Err: err}
	}
	return nil
}

func (s *Source) enter(state State, f *Failure) {
	s.mu.Lock()
	s.state = state
	s.mu.Unlock()
	if s.client.Observe != nil {
		s.client.Observe(state, f)
	}
}

// interruptible returns a context that Restart can cancel, for an attempt or for the delay after it. The caller must
// call the returned function. If Restart was called between the attempt and the delay, the delay ends at once.
func (s *Source) interruptible(attempt bool) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = cancel
	if attempt {
		s.restart = false
	} else if s.restart {
		cancel(errRestart)
	}
	return ctx, cancel
}

// wait returns after d, on Restart, or when the source is closed.
func (s *Source) wait(d time.Duration) {
	ctx, cancel := s.interruptible(false)
	defer cancel(nil)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// attempt connects once and yields the events of the connection. It returns why the connection ended, never nil.
func (s *Source) attempt(yield func(Event, error) bool) error {
	ctx, cancel := s.interruptible(true)
	defer cancel(nil)
	idle := newIdleTimer(s.client.IdleTimeout, func() { cancel(ErrIdle) })
	err := s.connect(ctx, idle, yield)
	if errors.Is(err, errBreak) {
		return err // checked first, because nothing may be yielded after a break
	}
	if cause := context.Cause(ctx); errors.Is(cause, errRestart) || errors.Is(cause, ErrIdle) {
		return cause
	}
	return err
}

func (s *Source) connect(ctx context.Context, idle *idleTimer, yield func(Event, error) bool) error {
	req, err := s.request(ctx)
	if err != nil {
		return err
	}
	s.redirected, s.answered = nil, nil
	idle.start()
	resp, err := s.http.Do(req)
	idle.stop()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	s.answered = s.redirected
	// Some transports do not end a read when the context is done. Closing the body does.
	defer context.AfterFunc(ctx, func() { _ = resp.Body.Close() })()
	if resp.StatusCode == http.StatusNoContent {
		return errNoContent
	}
	if err := checkResponse(resp); err != nil {
		return err
	}
	s.enter(Open, nil)
	opened := time.Now()
	err = s.read(ctx, idle.reader(resp.Body), yield)
	// A connection that lasted counts as a success, even without events.
	if time.Since(opened) >= s.client.Backoff.withDefaults().Max {
		s.failures = 0
	}
	return err
}

// request returns the request of the next attempt: the caller's, or the one that was redirected. It adds the header
// fields that EventSource adds (WHATWG HTML 9.2.2, the constructor), unless the caller has set them.
func (s *Source) request(ctx context.Context) (*http.Request, error) {
	req := s.req.Clone(ctx)
	if s.from != nil {
		req = s.from.Clone(ctx)
		req.Response = nil
	}
	if s.sent && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, &RequestError{Reason: "its body cannot be sent again: " + err.Error()}
		}
		req.Body = body
	}
	s.sent = true
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if len(req.Header.Values("Accept")) == 0 {
		req.Header.Set("Accept", contentType)
	}
	if len(req.Header.Values("Cache-Control")) == 0 {
		req.Header.Set("Cache-Control", "no-cache")
	}
	// An ID that cannot be sent must not prevent the reconnection, so it is left out.
	req.Header.Del(headerLastEventID)
	if id := s.LastEventID(); id != "" && len(id) <= maxSentID && sendable(id) {
		req.Header.Set(headerLastEventID, id)
	}
	return req, nil
}

// read yields the events of one connection.
func (s *Source) read(ctx context.Context, body io.Reader, yield func(Event, error) bool) error {
	d := NewDecoder(body, &ReadOptions{MaxEvent: s.client.MaxEvent, Comment: s.comment(ctx), Dataless: s.client.Dataless})
	d.relaxed = isRelaxed(yield)
	defer func() {
		if retry, ok := d.Retry(); ok {
			s.retry, s.asked = retry, true
		}
	}()
	// The standard starts each stream with an empty ID buffer, so that the first event without an ID would erase the
	// position. Browsers carry the ID over.
	d.resume(s.LastEventID())
	for d.Next() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e := d.Event()
		s.failures = 0
		s.advance(e.ID)
		if !yield(e, nil) {
			return errBreak
		}
	}
	s.advance(string(d.ID())) // all events before it have been yielded
	if err := d.Err(); err != nil {
		return err
	}
	return ErrEnded
}

// comment returns the function that receives the comments of one connection until ctx is done.
func (s *Source) comment(ctx context.Context) func([]byte) {
	if s.client.Comment == nil {
		return nil
	}
	return func(text []byte) {
		if ctx.Err() == nil {
			s.client.Comment(text)
		}
	}
}

func (s *Source) advance(id string) {
	s.mu.Lock()
	s.lastEventID = id
	s.mu.Unlock()
}
