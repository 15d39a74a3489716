package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// How many connections may be under way: many enough for the fastest hub, and far below the 4,096 that a listener on Linux
	// keeps waiting.
	maxDialing = 500
	// When a connection has failed or broken, its follower comes back after this time.
	comeBack = time.Second
)

// connect begins to connect f. It waits while too many do.
func (r *run) connect(f *follower) {
	select {
	case r.dialing <- struct{}{}:
	case <-r.ctx.Done():
		return
	}
	f.ledger.lock()
	defer f.ledger.unlock()
	if f.state != away || r.ctx.Err() != nil {
		<-r.dialing
		return
	}
	f.restart()
	f.conn++
	f.state = dialing
	if f.since == 0 {
		f.since = r.now()
	}
	f.via.open(f, r.request(f))
}

// request returns what f asks for: to go on from where it was.
func (r *run) request(f *follower) *http.Request {
	target := *r.subscribe
	if f.topic >= 0 {
		target = *r.targets[f.topic]
	}
	req := &http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: r.SubscribeHeader.Clone()}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/event-stream")
	}
	if len(f.id) > 0 {
		req.Header.Set("Last-Event-ID", string(f.id))
	}
	return req
}

// opened says that f has a stream. Its ledger is locked, as for closed and drop.
func (r *run) opened(f *follower) {
	<-r.dialing
	f.state = open
	r.up.Add(1)
	if f.up == 0 {
		f.up = r.now()
		r.settled.Add(1)
	}
}

// closed says that f's connection is no more, or that there will be none.
func (r *run) closed(f *follower, err error) {
	r.release(f)
	if r.ctx.Err() != nil {
		return
	}
	r.trouble.note(err)
	if final(err) {
		f.state = given
		if f.up == 0 {
			r.settled.Add(1)
		}
		return
	}
	time.AfterFunc(comeBack, func() { r.connect(f) })
}

// final reports whether another attempt would fail alike: the answer is no stream, or there is no TLS to be had.
func final(err error) bool {
	_, refused := errors.AsType[*Refusal](err)
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return refused || distrusted || errors.Is(err, http.ErrSchemeMismatch)
}

// release gives back what a connection had.
func (r *run) release(f *follower) {
	switch f.state {
	case dialing:
		<-r.dialing
	case open:
		r.up.Add(-1)
	}
	f.state = away
}

// reconnect breaks f's connection, and makes another one.
func (r *run) reconnect(f *follower) {
	f.ledger.lock()
	if f.state != open {
		f.ledger.unlock()
		return // it is about to come back by itself
	}
	f.via.drop(f)
	r.release(f)
	f.ledger.unlock()
	r.connect(f)
}

// connectAll begins to connect them all, at the rate that was asked for.
func (r *run) connectAll(ctx context.Context, followers []*follower) {
	p := r.newPace(r.Connects)
	for _, f := range followers {
		if p.wait(ctx) != nil {
			return
		}
		r.connect(f)
	}
}

// awaitConnected waits until n have a stream, or know that they get none.
func (r *run) awaitConnected(ctx context.Context, n int64) error {
	err := r.await(ctx, func() (left int64) { return n - r.settled.Load() })
	if err == nil && r.up.Load() == 0 && n > 0 {
		return fmt.Errorf("no stream could be had: %w", r.trouble.most())
	}
	return err
}

// await waits until nothing is left, or nothing comes any more.
func (r *run) await(ctx context.Context, left func() int64) error {
	last, since := int64(-1), r.now()
	for {
		n := left()
		switch {
		case n <= 0:
			return nil
		case n != last:
			last, since = n, r.now()
		case r.now()-since > r.patience:
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// churn breaks connections, one after the other.
func (r *run) churn(ctx context.Context) {
	p := r.newPace(r.Churn)
	for i := 0; p.wait(ctx) == nil; i++ {
		r.reconnect(r.followers[i%r.Subscribers])
	}
}

// trouble counts errors by what they say.
type trouble struct {
	mu     sync.Mutex
	counts map[string]int64
	errors map[string]error // the first of each
}

func (t *trouble) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts, t.errors = make(map[string]int64), make(map[string]error)
	}
	err = innermost(err)
	text := err.Error()
	if errors.Is(err, io.EOF) {
		text = "the stream ended"
	}
	if t.counts[text]++; t.counts[text] == 1 {
		t.errors[text] = err
	}
}

// most returns the commonest.
func (t *trouble) most() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err, most := errors.New("there was no answer"), int64(0)
	for s, n := range t.counts {
		if n > most {
			err, most = t.errors[s], n
		}
	}
	return err
}

// innermost returns the error without where it happened: ports and the like make each one another.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
