package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// line is the way of a hub to the others, which can be cut.
type line struct {
	*channel
	cut atomic.Bool
}

func (l *line) Broadcast(ctx context.Context, data []byte) error {
	if l.cut.Load() {
		return nil // lost
	}
	return l.channel.Broadcast(ctx, data)
}

func (l *line) Listen(f func([]byte)) (stop func(), err error) {
	return l.channel.Listen(func(data []byte) {
		if !l.cut.Load() {
			f(data)
		}
	})
}

// lineLog is a memberLog over a line.
type lineLog struct {
	memberLog
	line *line
}

func (l lineLog) Broadcast(ctx context.Context, data []byte) error {
	return l.line.Broadcast(ctx, data)
}

func (l lineLog) Listen(f func([]byte)) (stop func(), err error) { return l.line.Listen(f) }

// lined starts a hub on a line, in a bubble. hubs is how many hubs it expects; 0: it does not know.
func lined(t *testing.T, shared *channel, name, url string, hubs int) (*hub.Hub, *line) {
	t.Helper()
	l := &line{channel: shared}
	h := mustHub(t, lineLog{memberLog{mustMemory(t, nil), shared}, l}, &hub.Options{
		Local: true, Cluster: &hub.ClusterOptions{Name: name, URL: url, Key: clusterKey, Hubs: func() int { return hubs }},
	})
	return h, l
}

// statusOf asks a hub for the status of its cluster, and returns the hubs by name, and how long the answer took.
func statusOf(t *testing.T, h *hub.Hub) (hubs map[string]peers.Hub, took time.Duration) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/api/v1/cluster", http.NoBody)
	r.RemoteAddr = "127.0.0.1:1234"
	w := httptest.NewRecorder()
	began := time.Now()
	h.ServeHTTP(w, r)
	var status hub.ClusterStatus
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	hubs = map[string]peers.Hub{}
	for _, one := range status.Hubs {
		hubs[one.Name] = one
	}
	return hubs, time.Since(began)
}

// stopAll stops hubs at the end of a test in a bubble.
func stopAll(t *testing.T, hubs ...*hub.Hub) {
	for _, h := range hubs {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestStatusSaysAtOnceThatAHubWasKilled: for ten seconds it was listed as ready.
func TestStatusSaysAtOnceThatAHubWasKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		a, _ := lined(t, shared, "a", "http://a", 0)
		b, _ := lined(t, shared, "b", "http://b", 0)
		c, killed := lined(t, shared, "c", "http://c", 0)
		defer stopAll(t, a, b, c)
		time.Sleep(61 * time.Second) // not when a hub announces itself
		killed.cut.Store(true)
		hubs, took := statusOf(t, a)
		if !hubs["b"].Ready || hubs["b"].Silent {
			t.Errorf("a hub that runs: %+v", hubs["b"])
		}
		if c := hubs["c"]; c.Ready || !c.Silent || !strings.Contains(c.Unready, "does not answer") {
			t.Errorf("a hub that was killed: %+v", c)
		}
		if took > time.Second {
			t.Errorf("the answer took %v", took)
		}
		killed.cut.Store(false)
		if hubs, _ := statusOf(t, a); !hubs["c"].Ready || hubs["c"].Silent {
			t.Errorf("a hub that is back: %+v", hubs["c"])
		}
	})
}

// TestReplacedHubIsListedOnce: the lost hub and the one in its place were listed with the same URL.
func TestReplacedHubIsListedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		a, _ := lined(t, shared, "a", "http://a", 0)
		old, lost := lined(t, shared, "b-1", "http://b", 0)
		time.Sleep(61 * time.Second) // not when a hub announces itself
		lost.cut.Store(true)
		fresh, _ := lined(t, shared, "b-2", "http://b", 0)
		defer stopAll(t, a, old, fresh)
		hubs, _ := statusOf(t, a)
		if _, listed := hubs["b-1"]; listed || len(hubs) != 2 || !hubs["b-2"].Ready {
			t.Errorf("%+v", hubs)
		}
	})
}

// TestHubThatHasJustStartedKnowsTheOthers: for two seconds it listed only itself.
func TestHubThatHasJustStartedKnowsTheOthers(t *testing.T) {
	t.Parallel()
	for name, expected := range map[string]int{"the number is known": 3, "the number is not known": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := &channel{listeners: make(map[int]func([]byte))}
				a, _ := lined(t, shared, "a", "http://a", expected)
				b, _ := lined(t, shared, "b", "http://b", expected)
				time.Sleep(61 * time.Second) // not when a hub announces itself
				c, far := lined(t, shared, "c", "http://c", expected)
				defer stopAll(t, a, b, c)
				far.cut.Store(true) // the first messages are lost, as while the servers of the shared log connect
				go func() {
					time.Sleep(700 * time.Millisecond)
					far.cut.Store(false)
				}()
				hubs, took := statusOf(t, c)
				if len(hubs) != 3 || !hubs["a"].Ready || !hubs["b"].Ready {
					t.Errorf("%+v", hubs)
				}
				if took > 3*time.Second {
					t.Errorf("the answer took %v", took)
				}
			})
		})
	}
}

// TestChangeOfTheClusterIsBoundedInTime: the error was that of the context, after a minute.
func TestChangeOfTheClusterIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		waits := func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("cluster: nothing has changed yet: %w", ctx.Err())
		}
		h := mustHub(t, memberLog{mustMemory(t, nil), shared}, &hub.Options{Local: true, Cluster: &hub.ClusterOptions{
			Name: "a", Reset: waits, Configure: func(ctx context.Context, _ []byte) error { return waits(ctx) },
		}})
		defer stopAll(t, h)
		for _, what := range []string{"settings", "reset"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/api/v1/cluster/"+what, strings.NewReader("{}"))
			r.RemoteAddr = "127.0.0.1:1234"
			w, began := httptest.NewRecorder(), time.Now()
			h.ServeHTTP(w, r)
			if took := time.Since(began); w.Code != http.StatusServiceUnavailable || took != 30*time.Second ||
				!strings.Contains(w.Body.String(), "has not done this within 30s, and may still do it") || strings.Contains(w.Body.String(), "cluster: nothing") {
				t.Errorf("%s: %d after %v: %s", what, w.Code, took, w.Body)
			}
		}
	})
}
