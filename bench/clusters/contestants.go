package clusters

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
)

// Publisher publishes through one of three servers.
type Publisher interface {
	// Publish returns when records of 200 bytes each are acknowledged. They are one message to the servers.
	Publish(ctx context.Context, records int) error
	Close() error
}

// Contestants open a publisher on server i of three.
var Contestants = []struct {
	Name string
	Open func(ctx context.Context, s *Servers, i int) (Publisher, error)
}{
	{"jetstream", openBare},
	{"natslog", openOrder},
}

const (
	recordSize = 200
	streamSize = 1 << 30
)

// bare is JetStream's own client on a stream of its own, the yardstick.
type bare struct {
	nc *nats.Conn
	js jetstream.JetStream
}

func openBare(ctx context.Context, s *Servers, i int) (Publisher, error) {
	nc, err := nats.Connect("", s[i].Connect()...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err == nil {
		err = repeat(ctx, func() error {
			_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "bare", Subjects: []string{"bare"}, Replicas: 3, MaxBytes: streamSize})
			return err
		})
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &bare{nc, js}, nil
}

func (p *bare) Publish(ctx context.Context, records int) error {
	_, err := p.js.Publish(ctx, "bare", make([]byte, records*recordSize))
	return err
}

func (p *bare) Close() error {
	p.nc.Close()
	return nil
}

// order is the shared order of hubs: messages have identifiers, and the server also sends each stored message to all
// hubs at once.
type order struct{ cluster.Order }

func openOrder(ctx context.Context, s *Servers, i int) (Publisher, error) {
	o, err := natslog.Open(ctx, s[i].URL(), &natslog.Options{Replicas: 3, MaxBytes: streamSize, Connect: s[i].Connect()})
	if err != nil {
		return nil, err
	}
	if err := repeat(ctx, func() error { return o.Create(ctx, 1) }); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return order{o}, nil
}

func (p order) Publish(ctx context.Context, records int) error {
	var id cluster.ID
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	if err := p.Order.Publish(ctx, "", id, make([]byte, records*recordSize)); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}
