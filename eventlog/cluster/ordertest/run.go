package ordertest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Cluster is an order under test, with functions that cause faults.
type Cluster struct {
	// Open returns another handle to the order, as another hub has one. The suite closes it. The order does not exist at first.
	Open func(t *testing.T) cluster.Order

	// Trim drops the messages before number first. Nil if the backend has no such operation.
	Trim func(t *testing.T, first uint64)

	// Delete deletes the order, as an administrator does by hand. Nil if that is not possible.
	Delete func(t *testing.T)

	// Cut breaks the connections of a handle. The handle connects again by itself. Nil if that is not possible.
	Cut func(t *testing.T, o cluster.Order)
}

// Run tests that an order does what [cluster.Order] promises. begin is called for each test and begins with an order that does not
// exist.
func Run(t *testing.T, begin func(t *testing.T) Cluster) {
	for _, group := range [][]promise{appending, following, bounding, missing, broadcasting, breaking, closing} {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) { p.run(&bench{T: t, Cluster: begin(t)}) })
		}
	}
}

// promise is one test of the suite.
type promise struct {
	name string
	run  func(*bench)
}

// patience is how long the suite waits for a condition. Only a failing order makes it wait that long.
const patience = 30 * time.Second

type bench struct {
	*testing.T
	Cluster
}

// open returns a new handle, and makes the order if it does not exist.
func (b *bench) open() cluster.Order {
	b.Helper()
	o := b.handle()
	if err := o.Create(b.ctx(), 1); err != nil {
		b.Fatalf("Create: %v", err)
	}
	return o
}

// handle returns a new handle.
func (b *bench) handle() cluster.Order {
	b.Helper()
	o := b.Open(b.T)
	b.Cleanup(func() {
		if err := o.Close(); err != nil {
			b.Errorf("Close: %v", err)
		}
	})
	return o
}

// ctx returns a context that ends when a test has waited too long.
func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	b.Cleanup(cancel)
	return ctx
}

// newID returns an identifier that no other test uses.
func newID() (id cluster.ID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// publish publishes messages with new identifiers.
func (b *bench) publish(o cluster.Order, data ...string) (ids []cluster.ID) {
	b.Helper()
	for _, text := range data {
		id := newID()
		if err := o.Publish(b.ctx(), "", id, []byte(text)); err != nil {
			b.Fatalf("Publish: %v", err)
		}
		ids = append(ids, id)
	}
	return ids
}

var errEnough = errors.New("enough")

// follow returns n messages from a number on, and checks that their numbers are contiguous.
func (b *bench) follow(o cluster.Order, from uint64, n int) (all []cluster.Message) {
	b.Helper()
	err := o.Follow(b.ctx(), from, func(messages []cluster.Message) error {
		if len(messages) == 0 {
			return errors.New("take was called without messages")
		}
		for _, m := range messages {
			if want := from + uint64(len(all)); m.Seq != want {
				return fmt.Errorf("message %d came instead of %d", m.Seq, want)
			}
			all = append(all, m)
		}
		if len(all) >= n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		b.Fatalf("Follow from %d has returned %v after %d of %d messages", from, err, len(all), n)
	}
	return all[:n]
}

func (b *bench) bounds(o cluster.Order) cluster.Bounds {
	b.Helper()
	bounds, err := o.Bounds(b.ctx())
	if err != nil {
		b.Fatalf("Bounds: %v", err)
	}
	return bounds
}

// reaches checks that Bounds of a handle has these numbers.
func (b *bench) reaches(o cluster.Order, first, last uint64) {
	b.Helper()
	if got := b.bounds(o); got.First != first || got.Last != last {
		b.Errorf("Bounds are %d to %d, want %d to %d", got.First, got.Last, first, last)
	}
}

// eventually waits until f returns true.
func (b *bench) eventually(what string, f func() bool) {
	b.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("waited too long until %s", what)
		}
	}
}

func goneAt(err error) uint64 {
	if gone, ok := errors.AsType[*cluster.GoneError](err); ok {
		return gone.First
	}
	return 0
}

func backAt(err error) (uint64, bool) {
	if back, ok := errors.AsType[*cluster.BackError](err); ok {
		return back.Last, true
	}
	return 0, false
}

func nothing([]cluster.Message) error { return nil }
