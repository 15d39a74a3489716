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

// slow is an order that takes a time for each message, and counts them.
type slow struct {
	cluster.Order
	takes    time.Duration
	messages atomic.Int64
}

func (o *slow) Publish(ctx context.Context, identity string, id cluster.ID, data []byte) error {
	time.Sleep(o.takes)
	o.messages.Add(1)
	return o.Order.Publish(ctx, identity, id, data)
}

// overSlow returns a hub that has joined a cluster whose order takes 8 ms for a message.
func overSlow(t *testing.T) (*cluster.Log, *slow) {
	t.Helper()
	order := &slow{Order: ordertest.NewMemory(0).Handle(), takes: 8 * time.Millisecond}
	return joinedOver(t, order), order
}

// publishing appends records one after the other, with a pause between an answer and the next request.
func publishing(t *testing.T, l *cluster.Log, records int, pause time.Duration) (longest time.Duration) {
	t.Helper()
	for range records {
		began := time.Now()
		if _, err := l.Append(t.Context(), []eventlog.Record{{Topics: []string{"a"}}}); err != nil {
			t.Error(err)
		}
		longest = max(longest, time.Since(began))
		time.Sleep(pause)
	}
	return longest
}

// TestPublishersThatWereAnsweredTogetherShareTheNextMessage: if the next message did not wait for them, it would take some of them only, and
// the publishers would need twice as many messages.
func TestPublishersThatWereAnsweredTogetherShareTheNextMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, order := overSlow(t)
		before := order.messages.Load()
		const publishers, records = 8, 20
		var all sync.WaitGroup
		for range publishers {
			all.Go(func() { publishing(t, l, records, time.Millisecond) })
		}
		all.Wait()
		if n := order.messages.Load() - before; n > records+5 {
			t.Errorf("%d publishers of %d records each needed %d messages", publishers, records, n)
		}
	})
}

// TestPublisherAloneWaitsForNoOther, and for others that were answered with it at most half the time of a message.
func TestPublisherAloneWaitsForNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, order := overSlow(t)
		if longest := publishing(t, l, 10, time.Millisecond); longest > order.takes {
			t.Errorf("a publisher alone waited for %v, and a message takes %v", longest, order.takes)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { publishing(t, l, 2, 0) })
		}
		all.Wait()
		if longest := publishing(t, l, 10, time.Millisecond); longest > order.takes+order.takes/2 {
			t.Errorf("the publisher that is left waited for %v, and a message takes %v", longest, order.takes)
		}
	})
}
