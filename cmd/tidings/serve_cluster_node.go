//go:build !nonats

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// checkPeers refuses lists of peers by which hubs cannot find each other.
func (f *serveFlags) checkPeers() error {
	peers, err := natsnode.ParsePeers(f.ClusterPeers)
	switch {
	case err != nil:
		return fmt.Errorf("--cluster-peers: %w", err)
	case len(peers) > 1 && f.ClusterKeyFile == "":
		return errors.New("--cluster-peers without --cluster-key-file: hubs must authenticate each other\nhint: tidings cluster key cluster.key makes a secret; all hubs need the same")
	case int(f.NATSReplicas) > len(peers):
		return fmt.Errorf("--nats-replicas is %d, and there are %d hubs", f.NATSReplicas, len(peers))
	case int(f.MaxEvent)+messageOverhead > natsnode.MaxMessage:
		return fmt.Errorf("--max-event is %s; hubs with --cluster-peers share events of at most %s", inBytes(int64(f.MaxEvent)), inBytes(natsnode.MaxMessage-messageOverhead))
	}
	return nil
}

// alone reports whether this hub is the only one in its list of peers. A range of peers is one entry.
func (f *serveFlags) alone() bool {
	peers, err := natsnode.ParsePeers(f.ClusterPeers)
	return err == nil && len(peers) == 1
}

// nodeOptions returns the settings of this hub's NATS server.
func (s *sharedLog) nodeOptions() *natsnode.Options {
	f := s.flags
	o := &natsnode.Options{
		Peers: f.ClusterPeers, Listen: f.ClusterListen, Name: f.ClusterName, Secret: s.secret, Dir: s.dir, Stream: f.NATSStream, Logger: s.logger,
	}
	if size := s.streamBytes(); size > 0 {
		o.Store = size + size/2
	}
	return o
}

// identify returns the name of this hub in its cluster, and the host at which the others reach it.
func (s *sharedLog) identify(ctx context.Context) (name, host string, err error) {
	o := s.nodeOptions()
	name, self, err := natsnode.Identify(ctx, o)
	if err == nil {
		host, _, err = net.SplitHostPort(self)
	}
	var at string
	if err == nil && !s.flags.alone() {
		at, err = o.ListenAddress(self)
	}
	switch {
	case errors.Is(err, natsnode.ErrSelf):
		return "", "", fmt.Errorf("--cluster-peers: %w\nhint: --cluster-listen says which of the peers this hub is", err)
	case err != nil:
		return "", "", fmt.Errorf("--cluster-peers: %w", err)
	}
	if err := s.flags.apartFrom(listened{"--cluster-peers", self, at, otherPort}); err != nil {
		return "", "", err
	}
	return name, host, nil
}

// openNode starts this hub's NATS server, and waits until it is a member of the cluster.
func (s *sharedLog) openNode(ctx context.Context) (*backend, error) {
	f := s.flags
	o := s.nodeOptions()
	o.Waiting = func(reason string) { s.waits.Store(reason) }
	var stop func()
	var err error
	if o.TLS, stop, err = f.load(s.logger, s.hangups); err != nil {
		return nil, err
	}
	node, err := natsnode.Open(ctx, o)
	if err != nil {
		stop()
		return nil, fmt.Errorf("--cluster-peers: %w", err)
	}
	growing, cancel := context.WithCancel(context.Background())
	var grows sync.WaitGroup
	closeNode := func() error {
		cancel()
		grows.Wait()
		stop()
		return node.Close()
	}
	replicas := int(f.NATSReplicas)
	if replicas == 0 {
		replicas = node.Replicas()
	}
	order, err := natslog.Open(ctx, node.URL(), &natslog.Options{
		Stream: f.NATSStream, Replicas: replicas, Growing: true, MaxBytes: s.streamBytes(), MaxMessage: int(f.MaxEvent) + messageOverhead, SyncAlways: true,
		Name: s.member.Name, Logger: s.logger, Connect: node.Connect(),
	})
	if err != nil {
		_ = closeNode() // err says why
		return nil, err
	}
	grows.Go(func() { _ = order.Grow(growing) }) // it has logged why it did not
	return &backend{
		order: order, where: "the shared log of " + number(node.Hubs(), "hub"), hubs: node.Hubs(), broken: node.Broken(), reason: node.Ready, current: node.Await, close: closeNode, remove: node.Remove, margin: node.Margin,
		servers: func(ctx context.Context) (any, error) { return node.Status(ctx) },
		yield:   func(ctx context.Context) error { return yield(ctx, node, order) },
	}, nil
}

// leaveCluster removes a hub's part of the shared log of --cluster-peers from its data directory. It reports whether there was one.
func leaveCluster(dir string) (left bool, err error) { return natsnode.Leave(dir) }

// yield lets another hub lead the shared log, and waits until that hub answers for it.
func yield(ctx context.Context, node *natsnode.Node, order cluster.Order) error {
	if err := node.StepDown(ctx); err != nil {
		return err
	}
	for {
		_, err := order.Bounds(ctx)
		if err == nil || errors.Is(err, cluster.ErrMissing) {
			return nil
		}
		select {
		case <-time.After(yieldPause):
		case <-ctx.Done():
			return err
		}
	}
}

const yieldPause = 20 * time.Millisecond
