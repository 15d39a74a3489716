package hub_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// bubble is a hub in a synctest bubble. Its clients connect in memory.
type bubble struct {
	*testing.T
	hub    *hub.Hub
	client *http.Client
	token  func(access.Grant) string
}

func inBubble(t *testing.T, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, stop := newBubble(t, mustMemory(t, nil), hub.Options{})
		defer stop()
		f(b)
	})
}

// newBubble returns a hub with a log. stop ends it, and may be called more than once.
func newBubble(t *testing.T, log eventlog.Log, o hub.Options) (b *bubble, stop func()) {
	t.Helper()
	signer := mustSigner(t)
	o.Authorize = policyOf(signer)
	b = &bubble{T: t, hub: mustHub(t, log, &o)}
	b.token = func(g access.Grant) string {
		token, err := signer.Mint(g)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	listener := ssetest.NewListener()
	server := &http.Server{Handler: b.hub}
	go func() { _ = server.Serve(listener) }() // until Close
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.Dial(ctx) }}
	b.client = &http.Client{Transport: transport}
	return b, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = b.hub.Shutdown(ctx) // ends the streams that the test has left open
		_ = server.Close()
		transport.CloseIdleConnections()
	}
}

// visitor is a stream of a client, which keeps the members, and notes each that comes or leaves.
type visitor struct {
	cancel context.CancelFunc

	mu      sync.Mutex // guards the following
	present map[string]bool
	notes   []string
}

// hear takes a presence event, as clients do. Until the hub has settled, nobody leaves.
func (v *visitor) hear(p *wire.Presence) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range slices.Concat(p.In, p.Members) {
		if !v.present[m.Subject] {
			v.present[m.Subject] = true
			v.notes = append(v.notes, "+"+m.Subject)
		}
	}
	gone := p.Out
	for subject := range v.present {
		if p.Members != nil && !p.Settling && !slices.ContainsFunc(p.Members, func(m wire.Member) bool { return m.Subject == subject }) {
			gone = append(gone, subject)
		}
	}
	for _, subject := range gone {
		if v.present[subject] {
			delete(v.present, subject)
			v.notes = append(v.notes, "-"+subject)
		}
	}
}

// visit opens a stream for a subject.
func (b *bubble) visit(subject, query string) *visitor {
	b.Helper()
	return b.visitAs(all(subject), query)
}

func (b *bubble) visitAs(g access.Grant, query string) *visitor {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://hub/events?"+query, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token(g))
	resp, err := b.client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %+v, %v", g.Subject, resp, err)
	}
	v := &visitor{cancel: cancel, present: make(map[string]bool)}
	go func() {
		defer func() { _ = resp.Body.Close() }()
		for d := sse.NewDecoder(resp.Body, nil); d.Next(); {
			if e := d.Event(); e.Type == wire.TypePresence {
				p, err := wire.ParsePresence(e.Data)
				if err != nil {
					b.Error(err)
				}
				v.hear(&p)
			}
		}
	}()
	synctest.Wait()
	return v
}

func (v *visitor) leave() {
	v.cancel()
	synctest.Wait()
}

// news returns who has come and left since the last call, such as "+bob -eve".
func (v *visitor) news() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := strings.Join(v.notes, " ")
	v.notes = nil
	return all
}

func (b *bubble) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestReloadShowsNeitherLeaveNorJoin: a page that reloads is away for less than the grace.
func TestReloadShowsNeitherLeaveNorJoin(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.pass(20 * time.Second)
		w := b.visit("watcher", "watch=room")
		bob := b.visit("bob", "topic=room&present=1")
		b.pass(2 * time.Second)
		if got := w.news(); got != "+bob" {
			b.Errorf("%q, want +bob", got)
		}
		for range 3 {
			bob.leave()
			b.pass(14 * time.Second)
			bob = b.visit("bob", "topic=room&present=1")
			b.pass(14 * time.Second)
		}
		if got := w.news(); got != "" {
			b.Errorf("the watcher hears %q", got)
		}
		bob.leave()
		b.pass(14 * time.Second)
		if got := w.news(); got != "" {
			b.Errorf("the watcher hears %q before the grace is over", got)
		}
		b.pass(4 * time.Second)
		if got := w.news(); got != "-bob" {
			b.Errorf("%q, want -bob", got)
		}
	})
}

// TestRevokedClientIsNotPresentAnyMore: it leaves without grace, because it cannot come back.
func TestRevokedClientIsNotPresentAnyMore(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.pass(20 * time.Second)
		w := b.visit("watcher", "watch=room")
		b.visit("bob", "topic=room&present=1")
		b.pass(2 * time.Second)
		w.news()
		if err := b.hub.Revoke(access.Revocation{Subject: "bob", At: time.Now()}); err != nil {
			b.Fatal(err)
		}
		b.pass(2 * time.Second)
		if got := w.news(); got != "-bob" {
			b.Errorf("%q, want -bob", got)
		}
		b.pass(time.Minute) // tokens from now on are others
		b.visit("bob", "topic=room&present=1")
		b.pass(2 * time.Second)
		if got := w.news(); got != "+bob" {
			b.Errorf("with a new token: %q, want +bob", got)
		}
	})
}

// TestRevokedClientLeavesAlthoughItsStreamHasJustEnded: its grace ends with the revocation, and that of others does not.
func TestRevokedClientLeavesAlthoughItsStreamHasJustEnded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.pass(20 * time.Second)
		w := b.visit("watcher", "watch=room")
		for _, subject := range []string{"bob", "eve"} {
			b.visit(subject, "topic=room&present=1").leave()
		}
		b.pass(5 * time.Second)
		w.news()
		if err := b.hub.Revoke(access.Revocation{Subject: "bob", At: time.Now()}); err != nil {
			b.Fatal(err)
		}
		b.pass(2 * time.Second)
		if got := w.news(); got != "-bob" {
			b.Errorf("%q, want -bob", got)
		}
	})
}

// TestClientWhoseTokenExpiresKeepsItsPlace for the grace: it comes back with a new token.
func TestClientWhoseTokenExpiresKeepsItsPlace(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.pass(20 * time.Second)
		w := b.visit("watcher", "watch=room")
		short := all("bob")
		short.Expires = time.Now().Add(time.Minute)
		b.visitAs(short, "topic=room&present=1")
		b.pass(61 * time.Second) // the stream has ended, 0 to 12 s ago
		b.visit("bob", "topic=room&present=1")
		b.pass(time.Minute)
		if got := w.news(); got != "+bob" {
			b.Errorf("%q, want +bob once", got)
		}
		eve := all("eve")
		eve.Expires = time.Now().Add(time.Minute)
		b.visitAs(eve, "topic=room&present=1")
		b.pass(80 * time.Second)
		if got := w.news(); got != "+eve -eve" {
			b.Errorf("%q, want +eve -eve", got)
		}
	})
}

// TestWatcherOfABusyRoomGetsCheckpoints: presence events are no data for the heartbeat, which moves the position of a stream with quiet topics.
func TestWatcherOfABusyRoomGetsCheckpoints(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://hub/events?topic=quiet&watch=room&heartbeat=5s", nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+b.token(all("watcher")))
		resp, err := b.client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		positions, states := make(map[string]bool), 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
					positions[id] = true
				}
				if lines.Text() == "event: "+wire.TypePresence {
					states++
				}
			}
		}()
		for second := range 40 {
			b.visit(fmt.Sprint("m", second), "topic=room&present=1")
			if _, err := b.hub.Publish(b.Context(), hub.Event{Topics: []string{"other"}, Data: "x"}); err != nil {
				b.Error(err)
			}
			b.pass(time.Second)
		}
		_ = resp.Body.Close()
		<-done
		if len(positions) < 6 || states < 30 {
			b.Errorf("%d positions and %d presence events in 40 s, want a position in 5 s and an event a second", len(positions), states)
		}
	})
}

// TestPresenceOfALargeRoomIsCheap counts what fan-out delivers: 150 watchers get one message in 2 seconds, while clients join.
func TestPresenceOfALargeRoomIsCheap(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.pass(20 * time.Second)
		for i := range 150 {
			b.visit(fmt.Sprint("w", i), "topic=room&present=1&watch=room")
		}
		b.pass(5 * time.Second)
		before := b.deliveries()
		const seconds = 6
		for second := range seconds {
			for i := range 5 {
				b.visit(fmt.Sprintf("m%d-%d", second, i), "topic=room&present=1")
			}
			b.pass(time.Second)
		}
		if n := b.deliveries() - before; n < 150 || n > 150*(seconds/2+1) {
			b.Errorf("%d deliveries in %d seconds, want one message to each of 150 watchers in 2 seconds", n, seconds)
		}
	})
}

func (b *bubble) deliveries() uint64 {
	b.Helper()
	stats, err := b.hub.Stats(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return stats.Presence.Delivered
}
