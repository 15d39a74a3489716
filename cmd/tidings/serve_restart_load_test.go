//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse"
)

// restartsOf returns how many restarts a test does: few, or TIDINGS_RESTARTS.
func restartsOf(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("TIDINGS_RESTARTS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("TIDINGS_RESTARTS: %v", err)
	}
	return n
}

// TestRestartsUnderLoadLoseNothing: publishers send events with keys and repeat a failed request once; followers read them by the Go client, and as
// browsers do. Each publisher is answered, each follower gets each event once and in order, without a gap, and no connection is refused. When all have
// gone, the last process holds no more than the first one did.
func TestRestartsUnderLoadLoseNothing(t *testing.T) {
	for name, test := range map[string]struct {
		args      []string
		followers int
	}{
		"HTTP/1.1":         {nil, 200},
		"TLS, half HTTP/2": {certificateArgs(t), 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := runServe(t, "tidings", nil, test.args...)
			l := &crowd{url: r.url}
			before := r.holds(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for n := range test.followers {
				l.follow(ctx, t, n%2 == 0, n%4 < 2)
			}
			l.opened.Wait()
			publishing, enough := context.WithCancel(t.Context())
			for n := range 8 {
				l.publishers.Go(func() { l.publish(publishing, t, n) })
			}
			for range restartsOf(t, 3) {
				r.restart(t)
				l.awaitMore(t, 50)
			}
			enough()
			l.publishers.Wait()
			l.last.Store(l.newest.Load() + 1)
			r.publish(t, clientOf(t, nil), "the last event")
			l.followers.Wait()
			t.Logf("%d restarts, %d events, %d requests repeated; the longest answer took %v", restartsOf(t, 3), l.newest.Load(), l.repeated.Load(), time.Duration(l.longest.Load()))
			if n := l.refused.Load(); n > 0 {
				t.Errorf("%d connections were refused or broken", n)
			}
			r.awaitAtMost(t, before)
		})
	}
}

// held is what a process of a hub holds.
type held struct{ goroutines, sockets int }

// holds returns what the process that serves holds.
func (r *hubProcess) holds(t *testing.T) (h held) {
	t.Helper()
	client := clientOf(t, nil)
	defer client.CloseIdleConnections()
	_, text := ask(t, client, http.MethodGet, r.url+"/metrics", "")
	if _, err := fmt.Sscanf(regexp.MustCompile(`(?m)^go_goroutines \d+`).FindString(text), "go_goroutines %d", &h.goroutines); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, kind := range descriptors(t, r.pid) {
		if kind == "socket" {
			h.sockets++
		}
	}
	return h
}

// awaitAtMost waits until the process that serves holds hardly more than another one did. The store and the runtime have goroutines that come and go.
func (r *hubProcess) awaitAtMost(t *testing.T, before held) {
	t.Helper()
	const some = 10 // fewer than followers and publishers
	enough := time.After(patience)
	for {
		now := r.holds(t)
		if now.goroutines <= before.goroutines+some && now.sockets <= before.sockets+some {
			return
		}
		select {
		case <-enough:
			t.Fatalf("the last process has %+v, and the first one had %+v", now, before)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// certificateArgs returns the flags for a hub with TLS.
func certificateArgs(t *testing.T) []string {
	t.Helper()
	cert, key := writePair(t, t.TempDir(), 1)
	return []string{"--tls-cert", cert, "--tls-key", key}
}

// crowd is publishers and followers of one hub.
type crowd struct {
	url                   string
	publishers, followers sync.WaitGroup
	opened                sync.WaitGroup // followers whose first stream is not open yet
	newest, last          atomic.Int64   // sequence numbers of events; last is 0 until no more are published
	repeated, refused     atomic.Int64
	longest               atomic.Int64 // the longest time until an answer, a repetition included
}

// client returns a client that counts connections that are refused or broken.
func (l *crowd) client(t *testing.T, http2, keepAlive bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2, DisableKeepAlives: !keepAlive}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: countFailures{tr, l, keepAlive}}
}

// countFailures counts failures. A client that keeps idle connections may send a request at the moment in which the server closes its connection
// (RFC 9112, section 9.3.1): only for other clients is a broken connection a fault.
type countFailures struct {
	*http.Transport
	crowd     *crowd
	keepAlive bool
}

// RoundTrip implements [http.RoundTripper].
func (c countFailures) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.Transport.RoundTrip(r)
	if errors.Is(err, syscall.ECONNREFUSED) || err != nil && !c.keepAlive && r.Context().Err() == nil {
		c.crowd.refused.Add(1)
	}
	return resp, err
}

// publish publishes one event after the other until ctx is done.
func (l *crowd) publish(ctx context.Context, t *testing.T, publisher int) {
	client := l.client(t, publisher%4 == 0, publisher%2 == 0)
	defer client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		key := fmt.Sprintf("%d-%d", publisher, n)
		err := l.post(client, key)
		if err != nil {
			l.repeated.Add(1)
			if again := l.post(client, key); again != nil {
				t.Errorf("publishing failed twice: %v; %v", err, again)
				return
			}
		}
		for took := int64(time.Since(began)); ; {
			if most := l.longest.Load(); took <= most || l.longest.CompareAndSwap(most, took) {
				break
			}
		}
	}
}

// post publishes an event with a key.
func (l *crowd) post(client *http.Client, key string) error {
	r, err := http.NewRequest(http.MethodPost, l.url+"/events/news", io.MultiReader(strings.NewReader(key))) //nolint:noctx // the hub answers
	if err != nil {
		return err
	}
	r.Header.Set("Idempotency-Key", key)
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	_, rest, _ := strings.Cut(string(text), "-")
	digits, _, _ := strings.Cut(rest, `"`)
	seq, err := strconv.ParseInt(digits, 10, 64)
	for err == nil {
		if newest := l.newest.Load(); seq <= newest || l.newest.CompareAndSwap(newest, seq) {
			break
		}
	}
	return err
}

// awaitMore waits until n more events are published.
func (l *crowd) awaitMore(t *testing.T, n int64) {
	t.Helper()
	enough := time.After(patience)
	for before := l.newest.Load(); l.newest.Load() < before+n; {
		select {
		case <-enough:
			t.Fatalf("after %d events no more are published", l.newest.Load())
		case <-time.After(time.Millisecond):
		}
	}
}

// follow starts a follower, by the Go client or as a browser, with a connection of its own.
func (l *crowd) follow(ctx context.Context, t *testing.T, browser, http2 bool) {
	l.opened.Add(1)
	opened := sync.OnceFunc(l.opened.Done)
	next := int64(1)
	// see checks an event, and reports whether more are missing.
	see := func(id string) bool {
		_, digits, _ := strings.Cut(id, "-")
		seq, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || seq != next {
			t.Errorf("a follower gets %q instead of event %d", id, next)
			return false
		}
		next++
		last := l.last.Load()
		return last == 0 || seq < last
	}
	client := l.client(t, http2, true)
	if browser {
		l.followers.Go(func() {
			defer client.CloseIdleConnections()
			l.browse(ctx, t, client, opened, see)
		})
		return
	}
	l.followers.Go(func() {
		defer client.CloseIdleConnections()
		c := &tidings.Client{URL: l.url, HTTP: client, OnRetry: func(error, time.Duration) {}}
		o := &tidings.SubscribeOptions{OnOpen: opened}
		for e, err := range c.Subscribe(ctx, []string{"news"}, o) {
			if err != nil {
				t.Errorf("a follower: %v", err)
				return
			}
			if !see(e.ID) {
				return
			}
		}
	})
}

// browse follows as an EventSource does: it reconnects with the last ID, and knows no control events.
func (l *crowd) browse(ctx context.Context, t *testing.T, client *http.Client, opened func(), see func(string) bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/events/news", nil)
	if err != nil {
		t.Error(err)
		return
	}
	c := &sse.Client{HTTP: client, Recover: sse.WHATWG, Observe: func(s sse.State, _ *sse.Failure) {
		if s == sse.Open {
			opened()
		}
	}}
	for e, err := range c.Subscribe(r) {
		switch {
		case err != nil:
			t.Errorf("a browser gives up: %v", err)
			return
		case e.Type == "tidings.gap":
			t.Errorf("a browser gets a gap: %s", e.Data)
		case strings.HasPrefix(e.Type, "tidings."):
		case !see(e.ID):
			return
		}
	}
}
