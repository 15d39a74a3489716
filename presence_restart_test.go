package tidings_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
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
}

func (p *place) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	listener := p.listener
	p.mu.Unlock()
	return listener.Dial(ctx)
}

// open starts a hub with a new log at the place. drain stops it as a restart does, and kill ends its connections without a word.
func (p *place) open() (drain, kill func()) {
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		p.Fatal(err)
	}
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
	kill = func() { _ = server.Close() }
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

// TestNobodySeemsToLeaveWhenAHubRestarts, neither by a drain nor by a kill, although the new hub has another log: the members come back, and only
// the one that does not has left, once.
func TestNobodySeemsToLeaveWhenAHubRestarts(t *testing.T) {
	t.Parallel()
	for name, graceful := range map[string]bool{"drained": true, "killed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &place{T: t}
				drain, kill := p.open()
				transport := &http.Transport{DialContext: p.dial}
				defer transport.CloseIdleConnections()
				c := &tidings.Client{URL: "http://localhost:1", HTTP: &http.Client{Transport: transport}, OnRetry: func(error, time.Duration) {}}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				defer running.Wait()
				defer cancel()

				var mu sync.Mutex
				var news []string
				heard := func() string {
					mu.Lock()
					defer mu.Unlock()
					all := strings.Join(news, " ")
					news = nil
					return all
				}
				running.Go(func() {
					for state, err := range c.Presence(ctx, "room", nil) {
						if err != nil {
							if ctx.Err() == nil {
								t.Error(err)
							}
							return
						}
						mu.Lock()
						for _, m := range state.In {
							news = append(news, "+"+m.Subject)
						}
						for _, subject := range state.Out {
							news = append(news, "-"+subject)
						}
						mu.Unlock()
					}
				})
				join := func(subject string) (leave func()) {
					ctx, cancel := context.WithCancel(ctx)
					running.Go(func() {
						for _, err := range c.Presence(ctx, "room", &tidings.PresenceOptions{Present: true, Subject: subject}) {
							if err != nil && ctx.Err() == nil {
								t.Error(err)
							}
						}
					})
					return cancel
				}
				pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
				join("bob")
				join("eve")
				leave := join("joe")
				pass(20 * time.Second)
				first := strings.Fields(heard())
				if slices.Sort(first); strings.Join(first, " ") != "+bob +eve +joe" {
					t.Fatalf("the watcher hears %q", first)
				}
				leave()
				synctest.Wait()
				if graceful {
					drain()
				} else {
					kill()
					defer drain()
				}
				pass(2 * time.Second)
				again, _ := p.open()
				defer again()
				pass(2 * time.Minute)
				if got := heard(); got != "-joe" {
					t.Errorf("after the restart the watcher hears %q, want -joe", got)
				}
			})
		})
	}
}
