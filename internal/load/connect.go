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
	"syscall"
	"time"
)

const (
	// maxDialing limits the connections that are being opened. It is enough for the fastest hub, and far below the 4,096
	// connections that Linux queues for a listener.
	maxDialing = 500
	// reconnectDelay is the time between the end of a connection and the next attempt.
	reconnectDelay = time.Second
)

// connect starts a connection for sub. It waits while maxDialing others are being opened.
func (r *run) connect(sub *subscriber) {
	select {
	case r.dialing <- struct{}{}:
	case <-r.ctx.Done():
		return
	}
	sub.shard.lock()
	defer sub.shard.unlock()
	if sub.state != disconnected || r.ctx.Err() != nil {
		<-r.dialing
		return
	}
	sub.restart()
	sub.conn++
	sub.state = dialing
	if sub.since == 0 {
		sub.since = r.now()
	}
	sub.via.open(sub, r.request(sub))
}

// request returns a request that resumes after sub's last event ID.
func (r *run) request(sub *subscriber) *http.Request {
	target := *r.subscribe
	if sub.topic >= 0 {
		target = *r.targets[sub.topic]
	}
	req := &http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: r.SubscribeHeader.Clone()}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/event-stream")
	}
	if len(sub.id) > 0 {
		req.Header.Set("Last-Event-ID", string(sub.id))
	}
	return req
}

// opened records that sub's stream is open. The caller holds the lock of its shard, also for closed and release.
func (r *run) opened(sub *subscriber) {
	<-r.dialing
	sub.state = open
	r.up.Add(1)
	if sub.up == 0 {
		sub.up = r.now()
		r.settled.Add(1)
	}
}

// closed records that sub's connection ended or failed with err, and schedules a reconnection unless err is final.
func (r *run) closed(sub *subscriber, err error) {
	r.release(sub)
	if r.ctx.Err() != nil {
		return
	}
	r.errorCounts.add(err)
	if final(err) {
		sub.state = gaveUp
		if sub.up == 0 {
			r.settled.Add(1)
		}
		return
	}
	time.AfterFunc(reconnectDelay, func() { r.connect(sub) })
}

// final reports whether another attempt would fail with the same error: the response is not a stream, TLS fails, the hub does not speak HTTP/2, or
// this process has no more files for sockets.
func final(err error) bool {
	_, refused := errors.AsType[*Refusal](err)
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	if errors.Is(err, errNoHTTP2) || errors.Is(err, errPlainHTTP1) {
		return true
	}
	return refused || distrusted || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// release frees the place of sub's connection and marks sub as disconnected.
func (r *run) release(sub *subscriber) {
	switch sub.state {
	case dialing:
		<-r.dialing
	case open:
		r.up.Add(-1)
	}
	sub.state = disconnected
}

// reconnect drops sub's connection and opens another one.
func (r *run) reconnect(sub *subscriber) {
	sub.shard.lock()
	if sub.state != open {
		sub.shard.unlock()
		return // it is already reconnecting
	}
	sub.via.drop(sub)
	r.release(sub)
	sub.shard.unlock()
	r.connect(sub)
}

// connectAll starts connections for all subscribers, at the rate Options.Connects.
func (r *run) connectAll(ctx context.Context, subscribers []*subscriber) {
	p := r.newPace(r.Connects)
	for _, sub := range subscribers {
		if p.wait(ctx) != nil {
			return
		}
		r.connect(sub)
	}
}

// awaitConnected waits until n subscribers have had a stream or were refused. It fails if none is connected.
func (r *run) awaitConnected(ctx context.Context, n int64) error {
	err := r.await(ctx, func() (left int64) { return n - r.settled.Load() })
	if err == nil && r.up.Load() == 0 && n > 0 {
		return fmt.Errorf("no subscriber could connect: %w", r.errorCounts.mostFrequent())
	}
	return err
}

// await waits until left returns 0, or until its result has not changed for Options.stallTimeout. It adds up its pauses instead of looking at the
// clock, because on a busy machine this process may itself stand still.
func (r *run) await(ctx context.Context, left func() int64) error {
	const pause = 20 * time.Millisecond
	for last, still := int64(-1), time.Duration(0); still <= r.stallTimeout; still += pause {
		n := left()
		if n <= 0 {
			return nil
		}
		if n != last {
			last, still = n, 0
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// churn drops connections at the rate Options.Churn, one subscriber after the other.
func (r *run) churn(ctx context.Context) {
	p := r.newPace(r.Churn)
	for i := 0; p.wait(ctx) == nil; i++ {
		r.reconnect(r.subscribers[i%r.Subscribers])
	}
}

// errorCounts counts errors by their text.
type errorCounts struct {
	mu     sync.Mutex
	counts map[string]int64
	errors map[string]error // the first error with each text
}

func (t *errorCounts) add(err error) {
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

// mostFrequent returns the most frequent error.
func (t *errorCounts) mostFrequent() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err, most := errors.New("the hub did not answer"), int64(0)
	for s, n := range t.counts {
		if n > most {
			err, most = t.errors[s], n
		}
	}
	return err
}

// innermost unwraps an error completely. Outer texts contain ports and the like, so equal errors would not count
// together.
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
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
