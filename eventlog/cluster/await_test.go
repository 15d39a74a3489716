package cluster_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// replaced is an order whose leader was replaced without noticing: until a time it answers with what it had, and sends nothing.
type replaced struct {
	cluster.Order
	until time.Time
	had   cluster.Bounds
}

func (r *replaced) Bounds(ctx context.Context) (cluster.Bounds, error) {
	if time.Now().Before(r.until) {
		return r.had, nil
	}
	return r.Order.Bounds(ctx)
}

func (r *replaced) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	return r.Order.Follow(ctx, from, func(messages []cluster.Message) error {
		if wait := time.Until(r.until); wait > 0 {
			time.Sleep(wait)
		}
		return take(messages)
	})
}

// TestLeaderThatWasReplacedGivesNoFalseGap: after a partition, the hub of the old leader took its own messages for the newest, and told a
// subscriber from another hub that its position was beyond the end of the log.
func TestLeaderThatWasReplacedGivesNoFalseGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := ordertest.NewMemory(0)
		open := func(name string, order cluster.Order) *cluster.Log {
			mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
			if err != nil {
				t.Fatal(err)
			}
			log, err := cluster.Open(mirror, order, &cluster.Options{Name: name, Logger: slog.New(slog.DiscardHandler)})
			if err == nil {
				err = log.Join(t.Context())
			}
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
		old := &replaced{Order: order.Handle()}
		behind, ahead := open("a", old), open("b", order.Handle())
		synctest.Wait()
		had, err := old.Order.Bounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		old.had, old.until = had, time.Now().Add(time.Second)
		receipts, err := ahead.Append(t.Context(), []eventlog.Record{{Topics: []string{"news"}}})
		if err != nil {
			t.Fatal(err)
		}
		at := receipts[0].Position
		if err := behind.Await(t.Context(), at); err != nil || behind.Head() != at {
			t.Errorf("the hub has decided about %v at %v, %v", at, behind.Head(), err)
		}
		at.Seq += 1 << 14
		began := time.Now()
		if err := behind.Await(t.Context(), at); err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("a position that nobody has: %v after %v", err, time.Since(began))
		}
	})
}
