package ssetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// Script is an [http.Handler] that answers each request with the next of its answers, and records the requests. It
// works behind any server or middleware; [NewServer] includes a server. Its methods are safe for concurrent use.
//
// A request after the last answer fails the test and gets status 410, so that the client stops. Any later request gets
// a silent stream. Clients reconnect after the clean end of a stream, so let the last answer end with [Hold].
type Script struct {
	t testing.TB

	mu        sync.Mutex // guards the following
	changes   notifier
	answers   []Answer
	otherwise *Answer
	exchanges []*Exchange
	running   int
	closed    bool
	ctx       context.Context // done when closed
	cancel    context.CancelFunc
}

var _ http.Handler = (*Script)(nil)

// NewScript returns a Script with the given answers. The end of the test closes it; the server that uses it need not be
// closed before.
func NewScript(t testing.TB, answers ...Answer) *Script {
	s := &Script{t: t, answers: slices.Clone(answers)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(s.Close)
	return s
}

// Add appends answers to the script.
func (s *Script) Add(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answers...)
}

// Otherwise sets the answer to requests after the last answer of the script. Such requests then do not fail the test.
func (s *Script) Otherwise(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.otherwise = &a
}

// Remaining returns the number of answers that no request has used.
func (s *Script) Remaining() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(len(s.answers)-len(s.exchanges), 0)
}

// Requests returns the requests so far, in the order of their arrival.
func (s *Script) Requests() []*Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// Request waits for request number n, counted from 0, and returns it. If ctx is done first, the error wraps its cause.
func (s *Script) Request(ctx context.Context, n int) (*Exchange, error) {
	err := await(ctx, &s.mu, &s.changes, func() bool { return len(s.exchanges) > n })
	if err != nil {
		return nil, fmt.Errorf("ssetest: waiting for request number %d: %w", n, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exchanges[n], nil
}

// Close aborts the unfinished answers and waits for their ends. It can be called more than once.
func (s *Script) Close() {
	s.stop()
	s.wait()
}

func (s *Script) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
}

func (s *Script) wait() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if err := await(ctx, &s.mu, &s.changes, func() bool { return s.running == 0 }); err != nil {
		s.t.Errorf("ssetest: a step of the script is still running %v after Close", cleanupTimeout)
	}
}

// ServeHTTP sends the next answer.
func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(r) // first, so that a request uses no answer before its body has arrived
	a, x := s.begin(r, body)
	if x == nil {
		panic(http.ErrAbortHandler) // closed: the test is over
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := answer(s.t, w, r.WithContext(ctx), a)
	s.finish(x, err)
	if s.ctx.Err() != nil || errors.Is(err, errCut) && a.Status != 0 {
		// Makes net/http close the connection before the body is complete.
		panic(http.ErrAbortHandler)
	}
}

// begin records a request and returns its answer. It returns a nil Exchange if the script is closed.
func (s *Script) begin(r *http.Request, body []byte) (Answer, *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Answer{}, nil
	}
	n := len(s.exchanges)
	x := &Exchange{
		Method: r.Method, URL: fullURL(r), Header: r.Header.Clone(), Body: body,
		Remote: r.RemoteAddr, At: time.Now(), done: make(chan struct{}),
	}
	s.exchanges = append(s.exchanges, x)
	s.running++
	s.changes.notify()
	switch {
	case n < len(s.answers):
		return s.answers[n], x
	case s.otherwise != nil:
		return *s.otherwise, x
	}
	if n > len(s.answers) {
		// A client that ignores the 410 would reconnect forever, and in a bubble without any time passing.
		return Stream(Hold()), x
	}
	s.t.Errorf("ssetest: no answer for request number %d, %s %s: the script has %d; "+
		"if the client should not reconnect, end the last answer with Hold()", n, x.Method, x.URL, len(s.answers))
	return Status(http.StatusGone, Send("the test's script has no answer to this request\n")), x
}

func (s *Script) finish(x *Exchange, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, errDisconnected) && s.closed {
		err = errClosed
	}
	x.end(err)
	s.running--
	s.changes.notify()
}
