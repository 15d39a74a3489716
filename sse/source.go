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

// State is where a [Source] stands; the numbers are those of EventSource.readyState (WHATWG HTML 9.2.2).
type State int

// The states of a Source.
const (
	Connecting State = iota // connecting, or waiting to
	Open                    // events may arrive
	Closed                  // over for good
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

// ErrEnded is the failure of a connection whose stream ended cleanly.
var ErrEnded = errors.New("sse: the server ended the stream")

// ErrIdle is the failure of a connection that was silent for [Client.IdleTimeout].
var ErrIdle = errors.New("sse: the server was silent for longer than the idle timeout")

// How an attempt can end besides failing.
var (
	errBreak     = errors.New("the caller broke out of the loop")
	errNoContent = errors.New("the server answered 204")
	errRestart   = errors.New("sse: restarted")
)

// Source is a subscription with its state. Its methods are safe for concurrent use.
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
	restart     bool                    // wanted since the current attempt began

	// The rest belongs to the ranging goroutine.
	retry    time.Duration // what the server asked for, if asked
	asked    bool
	failures int  // in a row
	sent     bool // the request's own body has been used

	redirected *http.Request // that follows the last redirect of the current attempt; nil if there was none
	answered   *http.Request // redirected, once it has an answer
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

// LastEventID returns the ID from which the source would resume: that of the event yielded last. Blocks without data
// move it on as well, but that shows only with the next event or at the end of the connection.
func (s *Source) LastEventID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastEventID
}

// Restart drops the connection, or the wait for one, and connects anew at once from the last event ID. It
// counts as no failure. The sequence of a request that is not repeated ends instead. Before and after the range
// it does nothing.
func (s *Source) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart = true
	if s.interrupt != nil {
		s.interrupt(errRestart)
	}
}

// Close ends the sequence, without an error and at once: what has not been yielded by then never is. It can
// be called at any time, and more than once.
func (s *Source) Close() { s.cancel() }

// Events connects and yields the events, as [Client.Subscribe] says. It is the same sequence every time.
func (s *Source) Events() iter.Seq2[Event, error] { return s.events }

func (s *Source) run(yield func(Event, error) bool) {
	defer s.cancel()
	defer func() {
		if !s.sent && s.req.Body != nil {
			_ = s.req.Body.Close() // as http.Client does with what it cannot send
		}
	}()
	failure := s.follow(yield)
	s.enter(Closed, failure)
	if failure != nil {
		yield(Event{}, failure.Err)
	}
}

// follow goes from connection to connection and returns the failure that ended it, nil when it was not one.
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

// ended tells the end of the request's context, which is an error, from Close, which is none.
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

// interruptible returns a context that Restart can end, and the function that must end it. A restart that was
// wanted between the attempt and the wait after it ends the wait; the next attempt is what it asked for.
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

// wait returns after d, or when the source is restarted or over.
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

// attempt connects once and yields what comes. It returns why that ended, never nil.
func (s *Source) attempt(yield func(Event, error) bool) error {
	ctx, cancel := s.interruptible(true)
	defer cancel(nil)
	idle := newIdleTimer(s.client.IdleTimeout, func() { cancel(ErrIdle) })
	err := s.connect(ctx, idle, yield)
	if errors.Is(err, errBreak) {
		return err // whatever else has happened: nothing may be yielded any more
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
	// A transport may let a read wait although the context is done. Then closing the body ends it.
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
	// A connection that held is a success, even if nothing happened on it.
	if time.Since(opened) >= s.client.Backoff.withDefaults().Max {
		s.failures = 0
	}
	return err
}

// request returns what the next attempt sends: the caller's request with what EventSource adds to it
// (WHATWG HTML 9.2.2, the constructor) unless the caller has said otherwise.
func (s *Source) request(ctx context.Context) (*http.Request, error) {
	req := s.req.Clone(ctx)
	if s.from != nil {
		req = s.from.Clone(ctx)
		req.Response = nil
	}
	if s.sent && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, &RequestError{Reason: "its body cannot be had again: " + err.Error()}
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
	// An ID that cannot be sent must not stop the reconnection, so it stays away.
	req.Header.Del(headerLastEventID)
	if id := s.LastEventID(); id != "" && len(id) <= maxSentID && sendable(id) {
		req.Header.Set(headerLastEventID, id)
	}
	return req, nil
}

// read yields the events of one connection.
func (s *Source) read(ctx context.Context, body io.Reader, yield func(Event, error) bool) error {
	d := NewDecoder(body, &ReadOptions{MaxEvent: s.client.MaxEvent, Comment: s.comment(ctx), Dataless: s.client.Dataless})
	defer func() {
		if retry, ok := d.Retry(); ok {
			s.retry, s.asked = retry, true
		}
	}()
	// The standard starts every stream with an empty ID buffer, which by its letter would lose the ID with the
	// first event that has none; browsers carry it over.
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

// comment returns what hears the comments of one connection, until it is over.
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
