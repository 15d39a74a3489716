package cluster_test

import (
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestHubOfAClusterSaysThatTheSharedLogKeepsItsEvents: its mirror says sync=interval, which is not what publishers are promised.
func TestHubOfAClusterSaysThatTheSharedLogKeepsItsEvents(t *testing.T) {
	t.Parallel()
	log := openMirror(t, t.TempDir(), ordertest.NewMemory(0).Handle(), &cluster.Options{Name: "a"})
	if got := log.Storage(); got.Durability != eventlog.DurabilityShared || got.Free <= 0 {
		t.Errorf("the log says %+v, want the shared log and the free space of the mirror's disk", got)
	}
}
