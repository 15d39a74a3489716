package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
)

// TestDashboardGetsOrdersAndVisitors: events of both kinds, with JSON that the page reads.
func TestDashboardGetsOrdersAndVisitors(t *testing.T) {
	h, err := newHub()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler(h))
	t.Cleanup(server.Close)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	selling := make(chan error, 1)
	go func() { selling <- sell(ctx, h, time.Millisecond) }()
	client := tidings.Client{URL: server.URL}
	seen := map[string]bool{}
	for event, err := range client.Subscribe(ctx, []string{"**"}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[event.Type] = true; seen["order"] && seen["message"] {
			break
		}
	}
	stop()
	if err := <-selling; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := h.Shutdown(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
}
