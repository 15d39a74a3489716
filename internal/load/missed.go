package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// filler returns who publishes what is to be missed on a topic.
func (r *run) filler(topic int) int { return topic % r.Publishers }

// letMiss makes those who will come back miss something: somebody who is there learns an ID on each topic, leaves, and then
// the rest is published.
func (r *run) letMiss(ctx context.Context) error {
	probes := r.of(probe)
	if len(probes) == 0 {
		return nil
	}
	there := r.settled.Load()
	r.connectAll(ctx, probes)
	if err := r.awaitConnected(ctx, there+int64(len(probes))); err != nil {
		return err
	}
	if err := r.fill(len(probes), 1); err != nil {
		return err
	}
	left := func() int64 { return int64(len(probes)) - r.received(probe) }
	if err := r.await(ctx, left); err != nil {
		return err
	}
	if left() > 0 {
		return errors.New("what was published did not come: nobody knows where those who come back could begin")
	}
	for _, p := range probes {
		p.ledger.lock()
		p.via.drop(p)
		r.release(p)
		p.ledger.unlock()
		if len(p.id) == 0 {
			return errors.New("the hub gives events no IDs: nobody can come back to where it was")
		}
	}
	for _, f := range r.of(missed) {
		f.id = slices.Clone(probes[f.topic].id)
		f.tallies[r.filler(f.topic)].next = 1
	}
	err := r.fill(len(probes), r.Missed)
	for topic := range probes {
		r.backlog[topic] = r.streams[r.stream(topic, r.filler(topic))].published
	}
	return err
}

// fill publishes n events on each of the first topics.
func (r *run) fill(topics, n int) error {
	var filling sync.WaitGroup
	errs := make([]error, r.Publishers)
	for i, p := range r.publishers {
		filling.Go(func() {
			for topic := i; topic < topics && errs[i] == nil; topic += r.Publishers {
				for left := n; left > 0 && errs[i] == nil; left -= r.Batch {
					errs[i] = p.publish(topic, min(left, r.Batch), r.now())
				}
			}
		})
	}
	filling.Wait()
	for _, err := range errs {
		if err != nil { // one is enough to know why
			return fmt.Errorf("what is to be missed could not be published: %w", err)
		}
	}
	return nil
}
