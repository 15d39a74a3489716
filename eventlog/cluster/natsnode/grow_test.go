package natsnode_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestThirdHubJoinsTwo: the shared log of two hubs has two replicas. A third hub wants three, and must neither be refused nor stop the two
// others, which still know of two hubs.
func TestThirdHubJoinsTwo(t *testing.T) {
	t.Parallel()
	addresses := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	join := func(i, known int) (*natsnode.Node, *natslog.Order, error) {
		name := string(rune('a' + i))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		node, err := natsnode.Open(ctx, &natsnode.Options{
			Name: name, Peers: addresses[:known], Self: addresses[i], Secret: secret, Dir: t.TempDir(), Logger: logger(t, name),
		})
		if err != nil {
			return nil, nil, err
		}
		order, err := natslog.Open(ctx, node.URL(), &natslog.Options{
			Name: name, Replicas: node.Replicas(), Growing: true, MaxBytes: 64 << 20, Connect: node.Connect(),
		})
		if err != nil {
			return nil, nil, errors.Join(err, node.Close())
		}
		t.Cleanup(func() {
			if err := errors.Join(order.Close(), node.Close()); err != nil {
				t.Error(err)
			}
		})
		return node, order, nil
	}
	type joined struct {
		order *natslog.Order
		err   error
	}
	second := make(chan joined, 1)
	go func() {
		_, order, err := join(1, 2)
		second <- joined{order, err}
	}()
	_, first, err := join(0, 2)
	if other := <-second; err != nil || other.err != nil {
		t.Fatal(err, other.err)
	}
	if err := repeat(func(ctx context.Context) error { return first.Create(ctx, 1) }); err != nil {
		t.Fatal(err)
	}
	if err := repeat(func(ctx context.Context) error { return first.Publish(ctx, "", newID(), []byte("1")) }); err != nil {
		t.Fatal(err)
	}
	node, third, err := join(2, 3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := third.Grow(ctx); err != nil {
		t.Fatalf("no third replica: %v", err)
	}
	err = repeat(func(context.Context) error {
		if !node.HasStream() {
			return errors.New("the third hub has no copy of the shared log")
		}
		return node.Ready()
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range []*natslog.Order{first, third} {
		if err := repeat(func(ctx context.Context) error { return order.Publish(ctx, "", newID(), []byte("2")) }); err != nil {
			t.Fatal(err)
		}
		if err := repeat(func(ctx context.Context) error { _, err := order.Bounds(ctx); return err }); err != nil {
			t.Errorf("a hub cannot use the shared log: %v", err)
		}
	}
}
