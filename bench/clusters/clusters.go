// Package clusters measures what a log that three hubs share costs, beside JetStream alone.
//
// The question: how many records a second are acknowledged, after a majority of three servers has written them to disk? Everything runs in
// this process, on one machine and one disk: three servers, three hubs, and the publishers. So only ratios mean something, and only of
// contestants in the same run.
package clusters

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// Servers are three servers that form a cluster.
type Servers [3]*natsnode.Node

// Start starts three servers with data in dir.
func Start(ctx context.Context, dir string) (s *Servers, err error) {
	peers, err := freeAddresses(len(s))
	if err != nil {
		return nil, err
	}
	s = new(Servers)
	errs := make([]error, len(s))
	var all sync.WaitGroup
	for i := range s {
		all.Go(func() {
			s[i], errs[i] = natsnode.Open(ctx, &natsnode.Options{
				Peers: peers, Self: peers[i], Secret: []byte("a secret of the benchmark, 32 bytes or more"), Dir: filepath.Join(dir, fmt.Sprint(i)),
			})
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// freeAddresses returns addresses that nothing listens on. Servers have to know each other's ports before they listen.
func freeAddresses(n int) (addresses []string, err error) {
	for range n {
		address, err := cutproxy.FreeAddress()
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// Close stops the servers.
func (s *Servers) Close() error {
	var errs []error
	for _, n := range s {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}

// retryTime is between attempts at something that needs a leader.
const retryTime = 50 * time.Millisecond

// repeat calls f until it succeeds or ctx ends.
func repeat(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(retryTime):
		}
	}
}
