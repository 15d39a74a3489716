//go:build unix && !nonats

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// TestRestartsOfHubsInAClusterLoseNothing: the hub that leads the shared log restarts in place, and then another one, while publishers and
// subscribers use all three. A publisher repeats a failed request at the next hub. Each subscriber stays at its hub, and gets each event once, in
// order, and no gap.
func TestRestartsOfHubsInAClusterLoseNothing(t *testing.T) {
	t.Parallel()
	hubs := startTrio(t)
	l := &trio{}
	for _, h := range hubs {
		l.urls = append(l.urls, h.url)
	}
	following, stop := context.WithCancel(t.Context())
	defer stop()
	for n := range 2 * len(hubs) {
		l.followers.Go(func() { l.follow(following, t, l.urls[n%len(hubs)]) })
	}
	publishing, enough := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	for n := range l.published {
		publishers.Go(func() { l.publish(publishing, t, n) })
	}
	l.awaitMore(t)
	leader := awaitLeader(t, l.urls[0])
	for _, n := range []int{leader, (leader + 1) % len(hubs)} {
		hubs[n].restart(t)
		l.awaitMore(t)
	}
	enough()
	publishers.Wait()
	publishTo(t, l.urls[0], "news", theLast)
	l.followers.Wait()
	t.Logf("%d events, %d requests repeated", l.all.Load(), l.repeated.Load())
}

// startTrio starts three hubs with one log, as processes.
func startTrio(t *testing.T) []*hubProcess {
	t.Helper()
	key, peers, hubs := writeFile(t, "key", strings.Repeat("k", 64)), []string{freeAddr(t), freeAddr(t), freeAddr(t)}, make([]*hubProcess, 3)
	var all sync.WaitGroup
	for i, peer := range peers {
		all.Go(func() {
			hubs[i] = runServe(t, "tidings", nil, "--cluster-peers="+strings.Join(peers, ","), "--cluster-listen="+peer, "--cluster-key-file="+key,
				"--cluster-name=hub-"+fmt.Sprint(i), "--keep-bytes=16MiB")
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return hubs
}

const publishersOfTrio = 6

// trio is publishers and subscribers of three hubs. Each publisher numbers its events.
type trio struct {
	urls          []string
	published     [publishersOfTrio]atomic.Int64 // how many events each publisher has published
	all, repeated atomic.Int64
	followers     sync.WaitGroup
}

// theLast is the data of the event after those of all publishers.
const theLast = "the last event"

// publish publishes one event after the other at one hub until ctx is done.
func (l *trio) publish(ctx context.Context, t *testing.T, publisher int) {
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprintf("%d %d", publisher, n)
		for hub, began := publisher, time.Now(); ; hub++ {
			err := l.post(l.urls[hub%len(l.urls)], text)
			if err == nil {
				break
			}
			if l.repeated.Add(1); time.Since(began) > patience {
				t.Errorf("publishing fails at all hubs: %v", err)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		l.published[publisher].Add(1)
		l.all.Add(1)
	}
}

// post publishes an event whose data is its key, too.
func (l *trio) post(url, text string) error {
	r, err := http.NewRequest(http.MethodPost, url+"/events/news", strings.NewReader(text)) //nolint:noctx // the hub answers
	if err != nil {
		return err
	}
	r.Header.Set("Idempotency-Key", strings.ReplaceAll(text, " ", "-"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body) // it says more than the status
		return fmt.Errorf("%s: %s", resp.Status, &body)
	}
	return nil
}

// follow reads the events at one hub, as a browser does, until it has all of them.
func (l *trio) follow(ctx context.Context, t *testing.T, url string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events/news?since=earliest", nil)
	if err != nil {
		t.Error(err)
		return
	}
	var seen [publishersOfTrio]int64
	for e, err := range (&sse.Client{Recover: sse.WHATWG}).Subscribe(r) {
		switch {
		case err != nil:
			t.Errorf("a subscriber gives up: %v", err)
			return
		case e.Type == "tidings.gap":
			t.Errorf("a subscriber gets a gap: %s", e.Data)
			return
		case e.Data == theLast:
			for publisher, n := range seen {
				if all := l.published[publisher].Load(); n != all {
					t.Errorf("a subscriber gets %d events of a publisher, which published %d", n, all)
				}
			}
			return
		case strings.HasPrefix(e.Type, "tidings."):
			continue
		}
		var publisher, n int64
		if _, err := fmt.Sscanf(e.Data, "%d %d", &publisher, &n); err != nil || n != seen[publisher] {
			t.Errorf("a subscriber gets %q (%v) after %d events of this publisher", e.Data, err, seen[publisher])
			return
		}
		seen[publisher]++
	}
}

// awaitMore waits until publishers have published more events.
func (l *trio) awaitMore(t *testing.T) {
	t.Helper()
	enough := time.After(patience)
	for before := l.all.Load(); l.all.Load() < before+50; {
		select {
		case <-enough:
			t.Fatalf("after %d events no more are published", l.all.Load())
		case <-time.After(time.Millisecond):
		}
	}
}
