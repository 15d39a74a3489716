//go:build programs

package redislog_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// TestTwoHubsShareALogAndARestartOfRedisBeginsAGeneration: what one hub acknowledges, the other has at the same position. A restart of Redis
// begins a new generation on both, and they continue.
func TestTwoHubsShareALogAndARestartOfRedisBeginsAGeneration(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	var hubs []*cluster.Log
	for range 2 {
		mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
		if err != nil {
			t.Fatal(err)
		}
		order, err := redislog.New(&redislog.Options{URL: s.url()})
		if err != nil {
			t.Fatal(err)
		}
		hub, err := cluster.Open(mirror, order, &cluster.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hub.Close() })
		hubs = append(hubs, hub)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	appended := func(hub *cluster.Log) eventlog.Position {
		t.Helper()
		var position eventlog.Position
		eventually(t, "a record is acknowledged", func() bool {
			receipts, err := hub.Append(ctx, []eventlog.Record{{Topics: []string{"news"}, Data: "x"}})
			if err == nil {
				position = receipts[0].Position
			}
			return err == nil
		})
		return position
	}
	agree := func() {
		t.Helper()
		eventually(t, "both hubs have the same head", func() bool { return hubs[0].Head() == hubs[1].Head() })
	}
	first := appended(hubs[0])
	second := appended(hubs[1])
	if first.Gen != second.Gen || second.Seq <= first.Seq {
		t.Errorf("positions %v and then %v", first, second)
	}
	agree()
	s.restart(t)
	eventually(t, "a new generation begins", func() bool { return appended(hubs[0]).Gen != first.Gen })
	appended(hubs[1])
	agree()
}
