package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// backlogPublisher returns the number of the publisher of a topic's backlog.
func (r *run) backlogPublisher(topic int) int { return topic % r.Publishers }

// prepareBacklog publishes the events that the returning subscribers will have missed. First a probe on each topic
// receives one event, whose ID is where the returning subscribers resume, and disconnects. Then it publishes the missed
// events.
func (r *run) prepareBacklog(ctx context.Context) error {
	probes := r.of(probe)
	if len(probes) == 0 {
		return nil
	}
	there := r.settled.Load()
	r.connectAll(ctx, probes)
	if err := r.awaitConnected(ctx, there+int64(len(probes))); err != nil {
		return err
	}
	if err := r.publishBacklog(len(probes), 1); err != nil {
		return err
	}
	left := func() int64 { return int64(len(probes)) - r.received(probe) }
	if err := r.await(ctx, left); err != nil {
		return err
	}
	if left() > 0 {
		return errors.New("the hub did not deliver the first event of each topic, so returning subscribers have no ID to resume from")
	}
	for _, p := range probes {
		p.shard.lock()
		p.via.drop(p)
		r.release(p)
		p.shard.unlock()
		if len(p.id) == 0 {
			return errors.New("the hub sends events without IDs, so subscribers cannot resume")
		}
	}
	for _, sub := range r.of(returning) {
		sub.id = slices.Clone(probes[sub.topic].id)
		sub.tallies[r.backlogPublisher(sub.topic)].next = 1
	}
	err := r.publishBacklog(len(probes), r.Missed)
	for topic := range probes {
		r.backlog[topic] = r.streams[r.stream(topic, r.backlogPublisher(topic))].published
	}
	return err
}

// publishBacklog publishes n events on each of the first topics.
func (r *run) publishBacklog(topics, n int) error {
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
		if err != nil { // the first error explains the failure
			return fmt.Errorf("publishing the events to be missed: %w", err)
		}
	}
	return nil
}
