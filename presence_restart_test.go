package tidings_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// place is the address of a hub, which can be replaced by another one.
type place struct {
	*testing.T
	mu       sync.Mutex // guards listener
	listener *ssetest.Listener
	log      *contactLog // of the last hub
}

func (p *place) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	listener := p.listener
	p.mu.Unlock()
	return listener.Dial(ctx)
}

// contactLog is a log that depends on another one, and can lose contact with it.
type contactLog struct {
	*eventlog.Memory
	lost atomic.Pointer[time.Time] // when; nil: it has contact
}

// Contact implements [eventlog.Contact].
func (l *contactLog) Contact() time.Time {
	if at := l.lost.Load(); at != nil {
		return *at
	}
	return time.Now()
}

// open starts a hub with a new log at the place. drain stops it as a restart does, and kill ends its connections without a word.
func (p *place) open() (drain, kill func()) {
	memory, err := eventlog.NewMemory(nil)
	if err != nil {
		p.Fatal(err)
	}
	log := &contactLog{Memory: memory}
	p.log = log
	h, err := hub.New(log, nil)
	if err != nil {
		p.Fatal(err)
	}
	listener := ssetest.NewListener()
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }() // until Close
	kill = func() {
		_ = server.Close()
		listener.ResetAll() // the hub has taken the connections of streams from the server
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			p.Error(err)
		}
		kill()
		_ = log.Close()
	}, kill
}

// TestNobodySeemsToLeaveWhenAHubIsAway, whatever the reason and however long. A drain and a kill lose even the log. A hub whose log has no contact with
// the other hubs goes on, but refuses streams. The members come back, and only the one that does not has left, once.
func TestNobodySeemsToLeaveWhenAHubIsAway(t *testing.T) {
	t.Parallel()
	const drained, killed, isolated = "drained", "killed", "isolated"
	for _, of := range []struct {
		fault string
		away  time.Duration
	}{
		{drained, 2 * time.Second},
		{killed, 2 * time.Second},
		{killed, 20 * time.Second},
		{killed, 5 * time.Minute},
		{isolated, 20 * time.Second},
		{isolated, 45 * time.Second},
		{isolated, 5 * time.Minute},
	} {
		t.Run(fmt.Sprint(of.fault, " ", of.away), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &place{T: t}
				drain, kill := p.open()
				defer func() { drain() }() // the last hub
				v := newVisitors(p)
				defer v.stop()
				v.join("bob")
				v.join("eve")
				leave := v.join("joe")
				v.pass(20 * time.Second)
				first := strings.Fields(v.heard())
				if slices.Sort(first); strings.Join(first, " ") != "+bob +eve +joe" {
					t.Fatalf("the watcher hears %q", first)
				}
				leave()
				synctest.Wait()
				switch of.fault {
				case drained:
					drain()
				case killed:
					stop := drain
					defer func() { stop() }()
					kill()
				case isolated:
					p.log.lost.Store(new(time.Now()))
				}
				v.pass(of.away)
				if of.fault == isolated {
					p.log.lost.Store(nil)
				} else {
					drain, _ = p.open()
				}
				v.pass(2 * time.Minute)
				if got := v.heard(); got != "-joe" {
					t.Errorf("afterwards the watcher hears %q, want -joe", got)
				}
			})
		})
	}
}

// visitors are clients of a hub: members of a room, and a watcher.
type visitors struct {
	*place
	client  *tidings.Client
	ctx     context.Context
	stop    func()
	running sync.WaitGroup

	mu   sync.Mutex // guards news
	news []string   // of the watcher
}

func newVisitors(p *place) *visitors {
	transport := &http.Transport{DialContext: p.dial}
	ctx, cancel := context.WithCancel(p.Context())
	v := &visitors{place: p, ctx: ctx}
	v.client = &tidings.Client{URL: "http://localhost:1", HTTP: &http.Client{Transport: transport}, OnRetry: func(error, time.Duration) {}}
	v.client.Backoff.Max = time.Hour // a member does not wait that long
	v.stop = func() {
		cancel()
		v.running.Wait()
		transport.CloseIdleConnections()
	}
	watch := *v.client
	watch.Backoff.Max = 10 * time.Second
	v.running.Go(func() {
		for state, err := range watch.Presence(ctx, "room", nil) {
			if err != nil {
				if ctx.Err() == nil {
					p.Error(err)
				}
				return
			}
			v.hear(&state)
		}
	})
	return v
}

func (v *visitors) hear(state *tidings.Presence) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range state.In {
		v.news = append(v.news, "+"+m.Subject)
	}
	for _, subject := range state.Out {
		v.news = append(v.news, "-"+subject)
	}
}

// heard returns who has come and left since the last call, as the watcher was told.
func (v *visitors) heard() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := strings.Join(v.news, " ")
	v.news = nil
	return all
}

// join makes a subject present until leave is called.
func (v *visitors) join(subject string) (leave func()) {
	ctx, cancel := context.WithCancel(v.ctx)
	v.running.Go(func() {
		for _, err := range v.client.Presence(ctx, "room", &tidings.PresenceOptions{Present: true, Subject: subject}) {
			if err != nil && ctx.Err() == nil {
				v.Error(err)
			}
		}
	})
	return cancel
}

func (v *visitors) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
