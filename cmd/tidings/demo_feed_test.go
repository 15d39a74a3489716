package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// A position that has left the window cannot be resumed in full. The client is told so, and gets what there is.
func TestDemoSaysWhatItNoLongerHas(t *testing.T) {
	d := newDemo(nil)
	for i := range keptFrames + 100 {
		d.feed.append("", strconv.Itoa(i))
	}
	d.feed.end()
	req := httptest.NewRequestWithContext(t.Context(), "GET", "/events", nil)
	req.Header.Set("Last-Event-ID", d.feed.position(30))
	events, err := ssetest.Record(t, d.events(), req).Events().End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := gap{Reason: "trimmed", From: d.feed.position(30), To: d.feed.position(100)}
	var told gap
	if err := json.Unmarshal([]byte(events[0].Data), &told); err != nil || events[0].Type != "tidings.gap" || told != want {
		t.Errorf("first event %+v (%v), want a gap %+v", events[0], err, want)
	}
	if diff := cmp.Diff(upTo(keptFrames + 100)[100:], ofType(events, "message")); diff != "" {
		t.Errorf("what came after the gap (-want +got):\n%s", diff)
	}
}

func TestDemoKeepsNoMoreThanItSays(t *testing.T) {
	f := newFeed()
	for range 10 * keptFrames {
		f.append("", "")
	}
	if len(f.window) != keptFrames {
		t.Errorf("the window has %d frames, want %d", len(f.window), keptFrames)
	}
	if frames, _, _ := f.read(0); len(frames) != batch {
		t.Errorf("a read returned %d frames, want %d", len(frames), batch)
	}
}

// Every follower sees the same order, whoever published: the position is part of the frame.
func TestDemoHasOneOrder(t *testing.T) {
	d := newDemo(nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var followers []*ssetest.Collector[sse.Event]
	for range 3 {
		req := httptest.NewRequestWithContext(ctx, "GET", "/events", nil)
		r := ssetest.Record(t, d.events(), req)
		if _, _, err := r.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		followers = append(followers, r.Events())
	}
	done := make(chan struct{})
	for _, typ := range []string{"a", "b", "c"} {
		go func() {
			for i := range 100 {
				d.feed.append(typ, strconv.Itoa(i))
			}
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
	d.feed.end()
	first, err := followers[0].End(t.Context())
	if err != nil || len(first) != 1+300 {
		t.Fatalf("%d events (%v), want a checkpoint and 300", len(first), err)
	}
	for _, f := range followers[1:] {
		events, err := f.End(t.Context())
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(first, events); diff != "" {
			t.Errorf("two followers differ (-one +other):\n%s", diff)
		}
	}
}

func TestDemoPositionsTravelInAHeader(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		p := newFeed().position(10482)
		if !regexp.MustCompile(`^[a-z0-9]{5}-10482$`).MatchString(p) {
			t.Errorf("position %q", p)
		}
		seen[p] = true
	}
	if len(seen) < 99 {
		t.Errorf("%d of 100 runs have a generation of their own", len(seen))
	}
}
