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

// Script answers requests in turn, each with the next of its answers, and records them. It is an [http.Handler], to be
// put behind any server or middleware; [NewServer] brings a server with it. Its methods are safe for concurrent use.
//
// A request beyond its answers fails the test and gets status 410, after which clients come no more; one that does is
// left waiting. That happens easily: a client comes back after the clean end of a stream, so a script that has no
// more to say ends with [Hold].
type Script struct {
	t testing.TB

	mu        sync.Mutex // guards the following
	bell      bell
	answers   []Answer
	otherwise *Answer
	exchanges []*Exchange
	running   int
	closed    bool
	ctx       context.Context // done when closed
	cancel    context.CancelFunc
}

var _ http.Handler = (*Script)(nil)

// NewScript returns a Script with the given answers. At the end of the test it is closed, before which a server that
// uses it need not be.
func NewScript(t testing.TB, answers ...Answer) *Script {
	s := &Script{t: t, answers: slices.Clone(answers)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(s.Close)
	return s
}

// Add puts answers behind those that are there.
func (s *Script) Add(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answers...)
}

// Otherwise sets what requests beyond the script get, instead of failing the test.
func (s *Script) Otherwise(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.otherwise = &a
}

// Remaining returns how many answers no request has come for yet.
func (s *Script) Remaining() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(len(s.answers)-len(s.exchanges), 0)
}

// Requests returns the requests that have come, in their order.
func (s *Script) Requests() []*Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// Request waits for request number n, counted from 0, and returns it. The error is the cause of ctx's end.
func (s *Script) Request(ctx context.Context, n int) (*Exchange, error) {
	err := await(ctx, &s.mu, &s.bell, func() bool { return len(s.exchanges) > n })
	if err != nil {
		return nil, fmt.Errorf("ssetest: waiting for request number %d: %w", n, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exchanges[n], nil
}

// Close breaks off the answers that are being given and waits until they are. It may be called more than once.
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := await(ctx, &s.mu, &s.bell, func() bool { return s.running == 0 }); err != nil {
		s.t.Errorf("ssetest: a step of the script is still running %v after its end", patience)
	}
}

// ServeHTTP gives the next answer.
func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(r) // first, so that a client which is slow with it takes no answer yet
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
		// net/http's way to break off: the connection is closed, the body incomplete.
		panic(http.ErrAbortHandler)
	}
}

// begin records a request and returns its answer, nothing if the script is closed.
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
	s.bell.ring()
	switch {
	case n < len(s.answers):
		return s.answers[n], x
	case s.otherwise != nil:
		return *s.otherwise, x
	}
	if n > len(s.answers) {
		// Whoever repeats even what got a 410 would do so for ever, in a bubble without taking any time.
		return Stream(Hold()), x
	}
	s.t.Errorf("ssetest: request number %d, %s %s, is one more than the %d of the script; "+
		"should its last answer end with Hold()?", n, x.Method, x.URL, len(s.answers))
	return Status(http.StatusGone, Send("the test's script has no answer to this request\n")), x
}

func (s *Script) finish(x *Exchange, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, errLeft) && s.closed {
		err = errClosed
	}
	x.end(err)
	s.running--
	s.bell.ring()
}
