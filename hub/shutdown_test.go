package hub_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// publishAlways publishes events from several goroutines until stop is called.
func publishAlways(t *testing.T, h *hub.Hub, topic string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			batch := make([]hub.Event, 20)
			for i := range batch {
				batch[i] = hub.Event{Topics: []string{topic}, Data: "x"}
			}
			for ctx.Err() == nil {
				if _, err := h.Publish(ctx, batch...); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() { cancel(); running.Wait() }
}

// TestHubDrainsDuringPublishing: drain ends although events are published as fast as the hub delivers them.
func TestHubDrainsDuringPublishing(t *testing.T) {
	log := mustMemory(t, nil)
	s := serve(t, log, nil, transports[0])
	const subscribers = 5
	var ended sync.WaitGroup
	for range subscribers {
		_, in := s.openRaw("/events/news", nil)
		ended.Go(func() { _, _ = io.Copy(io.Discard, in) })
	}
	await(t, "all streams are open", func() bool { return s.hub.Streams() == subscribers })
	stop := publishAlways(t, s.hub, "news")
	defer stop()
	await(t, "5,000 events are published", func() bool { return log.Head().Seq > 5_000 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.hub.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	ended.Wait()
	if n := s.hub.Closed("drained"); n != subscribers {
		t.Errorf("%d of %d streams were drained", n, subscribers)
	}
}

// TestShutdownReturnsWithItsContext even if shards are busy: here they match endless events with expensive patterns.
func TestShutdownReturnsWithItsContext(t *testing.T) {
	log := mustMemory(t, nil)
	h, err := hub.New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4096 {
		h.Want("", expensivePattern(n))
	}
	stop := publishAlways(t, h, strings.Repeat("a/", eventlog.MaxSegments-1)+"a")
	defer stop()
	await(t, "5,000 events are published", func() bool { return log.Head().Seq > 5_000 })
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_ = h.Shutdown(over) // waits for shards and replayers
	if done, there := h.Settled(), log.Head(); done+1000 > there.Seq {
		t.Errorf("shards delivered up to %v of %v before they ended", done, there)
	}
}

// expensivePattern returns the n-th expensive pattern. Their first segments differ, and their last segment matches no topic.
func expensivePattern(n int) string {
	p := []string{}
	for i := range eventlog.MaxSegments - 1 {
		p = append(p, [2]string{"a", "*"}[n>>min(i, 60)&1])
	}
	return strings.Join(append(p, fmt.Sprint(n)), "/")
}
