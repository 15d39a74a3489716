package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestProcessThatCannotReachTheSharedLogIsNotPrepared for the place of another one.
func TestProcessThatCannotReachTheSharedLogIsNotPrepared(t *testing.T) {
	for _, flags := range []*serveFlags{
		{clusterFlags: clusterFlags{redisFlags: redisFlags{Redis: "redis://127.0.0.1:1"}}}, // no program listens on the first port
		{clusterFlags: clusterFlags{NATS: "nats://127.0.0.1:1"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := (&sharedLog{flags: flags}).reach(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "this process cannot use the shared log: ") || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("%v", err)
		}
	}
	if err := (&sharedLog{flags: &serveFlags{}}).reach(t.Context()); err != nil {
		t.Errorf("a log that the hubs keep: %v", err)
	}
}
