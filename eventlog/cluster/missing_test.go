package cluster_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestHubThatAloneMissesTheSharedLogSaysSo: a hub with another name for the shared log than the other hubs waited for ever, and its log did not say
// why. It makes the shared log when most hubs miss it, too.
func TestHubThatAloneMissesTheSharedLogSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order, said := ordertest.NewMemory(0), new(strings.Builder)
		open := func(name string, logger *slog.Logger) *cluster.Log {
			mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
			if err != nil {
				t.Fatal(err)
			}
			log, err := cluster.Open(mirror, order.Handle(), &cluster.Options{Name: name, Hubs: 3, Logger: logger})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
			return log
		}
		alone := open("a", slog.New(slog.NewTextHandler(said, nil)))
		time.Sleep(time.Minute)
		synctest.Wait()
		want := "the shared log does not exist; 1 of 3 hubs miss it, and a majority makes it again. If the other hubs have it, this hub looks for it under another name"
		if got := alone.Status().Trouble; got != want {
			t.Errorf("the hub's trouble is %q, want %q", got, want)
		}
		if n := strings.Count(said.String(), want); n != 1 {
			t.Errorf("the hub logs its trouble %d times, want once:\n%s", n, said)
		}
		if err := open("b", slog.New(slog.DiscardHandler)).Join(t.Context()); err != nil {
			t.Error(err)
		}
		if err := alone.Join(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
