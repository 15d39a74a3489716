package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// losing is an order that loses the next message.
type losing struct {
	cluster.Order
	elect atomic.Bool // it elects a new leader instead of storing the next message
	lose  atomic.Bool // it does not answer for the next message
}

func (o *losing) Publish(ctx context.Context, to string, id cluster.ID, data []byte) error {
	switch {
	case o.elect.Swap(false):
		return cluster.ErrNewLeader
	case o.lose.Swap(false):
		<-ctx.Done()
		return ctx.Err()
	}
	return o.Order.Publish(ctx, to, id, data)
}

// joined returns a hub that has joined its cluster.
func joined(t *testing.T) (*cluster.Log, *losing) {
	t.Helper()
	mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
	if err != nil {
		t.Fatal(err)
	}
	order := &losing{Order: ordertest.NewMemory(0).Handle()}
	l, err := cluster.Open(mirror, order, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, order
}

// TestLostMessageIsRepeatedAtOnceAfterAnElection: a leader that hands over its leadership loses what it has just received, without an answer.
func TestLostMessageIsRepeatedAtOnceAfterAnElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, order := joined(t)
		order.elect.Store(true)
		began := time.Now()
		_, err := l.Append(t.Context(), []eventlog.Record{{Topics: []string{"a"}}})
		if took := time.Since(began); err != nil || took > 100*time.Millisecond || order.elect.Load() {
			t.Errorf("Append returned %v after %v", err, took)
		}
	})
}

// TestLostMessageDoesNotStopTheOthers of the same hub.
func TestLostMessageDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, order := joined(t)
		order.lose.Store(true)
		var all sync.WaitGroup
		appends := func(topic string, most time.Duration) {
			all.Go(func() {
				began := time.Now()
				_, err := l.Append(t.Context(), []eventlog.Record{{Topics: []string{topic}}})
				if took := time.Since(began); err != nil || took > most {
					t.Errorf("Append of %s returned %v after %v", topic, err, took)
				}
			})
		}
		appends("lost", 3*time.Second)
		synctest.Wait()
		appends("other", 250*time.Millisecond)
		all.Wait()
	})
}
