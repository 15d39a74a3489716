package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidings-sse/tidings/eventlog"
)

// Reset makes this hub's log the beginning of the shared log again. An administrator calls it after the shared log was deleted, or was
// replaced by one without this hub's messages. Records that only other hubs have are lost; they take a copy of this hub's log. All
// subscribers get a gap with the reason reset. Reset waits until the hub follows the order again, or ctx ends. It fails with an
// *InvalidError if the hub follows the order.
func (l *Log) Reset(ctx context.Context) error {
	v, _ := l.look()
	if v.following {
		return &eventlog.InvalidError{What: "reset", Reason: "this hub follows the shared log, so there is nothing to reset"}
	}
	before := v.gen
	l.show(func(v *view) { v.reset = true })
	err := l.until(ctx, func(v *view) bool { return v.following && v.gen != before && v.seq >= v.bounds.Last })
	l.show(func(v *view) { v.reset = false })
	if v, _ := l.look(); err != nil && v.trouble != nil && ctx.Err() != nil {
		return errors.Join(err, v.trouble)
	}
	return err
}

// resets reports whether an administrator has reset the cluster to this hub's log.
func (l *Log) resets() bool {
	v, _ := l.look()
	return v.reset
}

// takeOver puts the mirror at the end of an order that has none of its messages. The mirror does not get the earlier messages of the
// order.
func (f *follower) takeOver(ctx context.Context, b Bounds) error {
	var id [8]byte // of message b.Last, by which the next checks find the place again; zero: the order is empty
	if b.Last >= b.First {
		last, err := f.readMessage(ctx, b.Last)
		if err != nil {
			return err
		}
		if last.First <= f.head {
			return fmt.Errorf("cluster: the shared log has given numbers up to %d, and the log of this hub has records up to %d; delete the shared log, "+
				"and then reset the cluster, so that numbers are not used twice", last.First, f.head)
		}
		id = short(&last)
	} else if f.head > 0 && b.First <= f.place.seq {
		return fmt.Errorf("cluster: the shared log begins with message %d, and the log of this hub has messages up to %d; delete the shared log, "+
			"and then reset the cluster, so that numbers are not used twice", b.First, f.place.seq)
	}
	f.place.seq, f.place.id, f.place.chain = b.Last, id, digest{}
	f.place.levels = place{}.levels // of messages that the order does not have
	f.place.gap, f.missed, f.forced = true, true, true
	f.place.digest = digestOf("reset after "+f.place.digest.String(), b.Last)
	f.results.clear()
	f.doubted, f.wanted = mark{}, nil
	return nil
}
