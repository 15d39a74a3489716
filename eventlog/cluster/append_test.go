package cluster_test

import (
	"context"
	"errors"
	"strings"
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
	gone  atomic.Bool // it answers nothing
}

func (o *losing) Bounds(ctx context.Context) (cluster.Bounds, error) {
	if o.gone.Load() {
		<-ctx.Done()
		return cluster.Bounds{}, ctx.Err()
	}
	return o.Order.Bounds(ctx)
}

func (o *losing) Publish(ctx context.Context, to string, id cluster.ID, data []byte) error {
	switch {
	case o.elect.Swap(false):
		return cluster.ErrNewLeader
	case o.gone.Load(), o.lose.Swap(false):
		<-ctx.Done()
		return ctx.Err()
	}
	return o.Order.Publish(ctx, to, id, data)
}

// joined returns a hub that has joined its cluster.
func joined(t *testing.T) (*cluster.Log, *losing) {
	t.Helper()
	order := &losing{Order: ordertest.NewMemory(0).Handle()}
	return joinedOver(t, order), order
}

// joinedOver returns a hub that has joined the cluster of an order.
func joinedOver(t *testing.T, order cluster.Order) *cluster.Log {
	t.Helper()
	mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
	if err != nil {
		t.Fatal(err)
	}
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
	return l
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

// TestPublishersAtAHubWithoutMajorityDoNotWaitForLong: those whose events were under way waited for half a minute. An election takes up to 9 s.
func TestPublishersAtAHubWithoutMajorityDoNotWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, order := joined(t)
		time.Sleep(time.Minute)
		order.gone.Store(true)
		appends := func() (took time.Duration, err error) {
			began := time.Now()
			_, err = l.Append(t.Context(), []eventlog.Record{{Topics: []string{"a"}}})
			return time.Since(began), err
		}
		var first sync.WaitGroup
		first.Go(func() {
			if took, err := appends(); !errors.Is(err, cluster.ErrUnknown) || took < 10*time.Second || took > 18*time.Second {
				t.Errorf("events under way: %v after %v, want that it is not known after 15 s", err, took)
			}
		})
		time.Sleep(8 * time.Second)
		if took, err := appends(); !errors.Is(err, eventlog.ErrUnavailable) || took > 0 {
			t.Errorf("a new publisher: %v after %v, want a refusal at once", err, took)
		}
		if err := l.SetRetention(t.Context(), nil); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("new settings: %v", err)
		}
		first.Wait()
	})
}

// TestNewSettingsAreBoundedInTime: without an answer of the shared log the error was only that of the context.
func TestNewSettingsAreBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, order := joined(t)
		order.gone.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := l.SetRetention(ctx, &eventlog.Retention{Bytes: 2 << 30})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the settings have not changed yet") {
			t.Errorf("without an answer: %v", err)
		}
	})
}

// TestHubThatJoinsAnOldClusterReportsNoNewGeneration: the log said that a generation begins, because of a new cluster, as if subscribers got a gap.
func TestHubThatJoinsAnOldClusterReportsNoNewGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := ordertest.NewMemory(0)
		for _, want := range []string{"this hub begins a new cluster", "this hub takes the generation of its cluster"} {
			mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
			if err != nil {
				t.Fatal(err)
			}
			log := new(lines)
			l, err := cluster.Open(mirror, order.Handle(), &cluster.Options{Logger: log.logger()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := l.Join(t.Context()); err != nil {
				t.Fatal(err)
			}
			if text := log.String(); !strings.Contains(text, want) || strings.Contains(text, "a generation begins") {
				t.Errorf("the log lacks %q, or reports a new generation:\n%s", want, text)
			}
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
