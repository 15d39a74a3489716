package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// collect returns the first n events of an in-process subscription, or all until it ends.
func collect(t *testing.T, h *hub.Hub, n int, s eventlog.Selector, o *hub.SubscribeOptions) (data []string, last eventlog.Position, err error) {
	t.Helper()
	for e, err := range h.Subscribe(t.Context(), s, o) {
		if err != nil {
			return data, last, err
		}
		data, last = append(data, e.Data), e.Position
		if len(data) == n {
			return data, last, nil
		}
	}
	return data, last, nil
}

func mustPublish(t *testing.T, h *hub.Hub, events ...hub.Event) []eventlog.Receipt {
	t.Helper()
	receipts, err := h.Publish(t.Context(), events...)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

func numbered(topic string, from, to int) (events []hub.Event) {
	for i := from; i <= to; i++ {
		events = append(events, hub.Event{Topics: []string{topic}, Data: fmt.Sprint(i)})
	}
	return events
}

// TestInProcessSubscriberGetsStoredAndNewEvents from the beginning, or after a position.
func TestInProcessSubscriberGetsStoredAndNewEvents(t *testing.T) {
	t.Parallel()
	h := serve(t, mustMemory(t, nil), nil, transports[0]).hub
	everything, earliest := eventlog.Select(nil, eventlog.MustPattern("news/**")), &hub.SubscribeOptions{Seek: &eventlog.Start{}}
	mustPublish(t, h, numbered("news/a", 1, 3)...)
	mustPublish(t, h, numbered("other", 1, 3)...)
	got := make(chan hub.Received)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for e, err := range h.Subscribe(ctx, everything, earliest) {
			if err != nil {
				ended <- err
				return
			}
			got <- e
		}
	}()
	for i := 1; i <= 3; i++ {
		if e := <-got; e.Data != fmt.Sprint(i) || e.Type != "message" || !slices.Equal(e.Topics, []string{"news/a"}) || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	receipts := mustPublish(t, h, hub.Event{Topics: []string{"news/b"}, Type: "note", Data: "\xff", Binary: true})
	if e := <-got; e.Data != "\xff" || !e.Binary || e.Type != "note" || e.Position != receipts[0].Position {
		t.Errorf("%+v, want %+v", e, receipts[0])
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	first, at, err := collect(t, h, 2, everything, earliest)
	rest, _, err2 := collect(t, h, 2, everything, &hub.SubscribeOptions{After: at})
	if all := append(first, rest...); !slices.Equal(all, []string{"1", "2", "3", "\xff"}) || err != nil || err2 != nil {
		t.Errorf("%q, %v, %v", all, err, err2)
	}
}

// TestSlowInProcessSubscriberMissesNothing: it reads the log at its own speed, and delays no publisher.
func TestSlowInProcessSubscriberMissesNothing(t *testing.T) {
	t.Parallel()
	h := serve(t, mustMemory(t, nil), &hub.Options{Window: 1}, transports[0]).hub
	const most = 3000
	mustPublish(t, h, numbered("news", 1, 1)...)
	var got []string
	for e, err := range h.Subscribe(t.Context(), eventlog.Topics("news"), &hub.SubscribeOptions{Seek: &eventlog.Start{}}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Data); len(got) == most {
			break
		}
		if len(got) == 1 {
			mustPublish(t, h, numbered("news", 2, most)...)
		}
	}
	for i, data := range got {
		if data != fmt.Sprint(i+1) {
			t.Fatalf("event %d is %s", i+1, data)
		}
	}
}

func TestInProcessSubscriptionEndsWithItsTopics(t *testing.T) {
	t.Parallel()
	h := serve(t, mustMemory(t, nil), nil, transports[0]).hub
	mustPublish(t, h, hub.Event{Topics: []string{"a"}, Data: "1"}, hub.Event{Topics: []string{"a"}, End: true}, hub.Event{Topics: []string{"b"}, Data: "2", End: true})
	both, earliest := eventlog.Topics("a", "b"), &hub.SubscribeOptions{Seek: &eventlog.Start{}}
	data, last, err := collect(t, h, -1, both, earliest)
	if !slices.Equal(data, []string{"1", "", "2"}) || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if data, _, err := collect(t, h, -1, both, &hub.SubscribeOptions{After: last}); len(data) != 0 || err != nil {
		t.Errorf("after the end: %q, %v", data, err)
	}
}

func TestUnhandledGapEndsAnInProcessSubscription(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: 2}})
	h := serve(t, log, nil, transports[0]).hub
	begin := mustPublish(t, h, numbered("news", 1, 1)...)[0].Position
	mustPublish(t, h, numbered("news", 2, 5)...)
	foreign := eventlog.Position{Gen: "zzzzz", Seq: 7}
	for reason, after := range map[eventlog.Reason]eventlog.Position{eventlog.Trimmed: begin, eventlog.Reset: foreign} {
		_, _, err := collect(t, h, 1, eventlog.Topics("news"), &hub.SubscribeOptions{After: after, Seek: &eventlog.Start{}})
		gap, ok := errors.AsType[*hub.GapError](err)
		if !ok || gap.Reason != reason || gap.From != after.String() {
			t.Errorf("%s: %v", reason, err)
		}
		var heard []eventlog.Reason
		data, _, err := collect(t, h, 2, eventlog.Topics("news"), &hub.SubscribeOptions{After: after, Seek: &eventlog.Start{}, OnGap: func(g hub.Gap) error {
			heard = append(heard, g.Reason)
			return nil
		}})
		if !slices.Equal(data, []string{"4", "5"}) || err != nil || !slices.Equal(heard, []eventlog.Reason{reason}) {
			t.Errorf("%s: %q, %v, %v", reason, data, heard, err)
		}
		enough := errors.New("enough")
		if _, _, err := collect(t, h, 1, eventlog.Topics("news"), &hub.SubscribeOptions{After: after, OnGap: func(hub.Gap) error { return enough }}); !errors.Is(err, enough) {
			t.Errorf("%s: the error of OnGap became %v", reason, err)
		}
	}
}

func TestInProcessSubscriptionEndsWithItsHub(t *testing.T) {
	t.Parallel()
	h := serve(t, mustMemory(t, nil), nil, transports[0]).hub
	ended := make(chan error, 1)
	go func() {
		for _, err := range h.Subscribe(context.Background(), eventlog.Everything(), nil) {
			ended <- err
		}
	}()
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, hub.ErrDraining) {
		t.Error(err)
	}
	unopened, err := hub.Prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := collect(t, unopened, 1, eventlog.Everything(), nil); err == nil {
		t.Error("a hub without a log has events")
	}
}
