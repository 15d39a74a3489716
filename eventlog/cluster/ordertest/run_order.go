package ordertest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

var bounding = []promise{
	{"TrimmedMessagesAreGone", func(b *bench) {
		if b.Trim == nil {
			return
		}
		o := b.open()
		for i := range 9 {
			b.publish(o, fmt.Sprint(i+1))
		}
		b.Trim(b.T, 4)
		b.reaches(o, 4, 9)
		for _, from := range []uint64{1, 3} {
			if err := o.Follow(b.ctx(), from, nothing); goneAt(err) != 4 {
				b.Errorf("Follow from %d: %v, want that the oldest message is 4", from, err)
			}
			if _, err := o.Message(b.ctx(), from); goneAt(err) != 4 {
				b.Errorf("Message(%d): %v, want that the oldest message is 4", from, err)
			}
		}
		b.publish(o, "10")
		for i, m := range b.follow(o, 4, 7) {
			if string(m.Data) != fmt.Sprint(i+4) {
				b.Errorf("message %d is %q", m.Seq, m.Data)
			}
		}
	}},
	{"OrderBeginsWithTheNumberThatCreateGives", func(b *bench) {
		o, other := b.handle(), b.handle()
		for _, create := range []struct {
			by    cluster.Order
			first uint64
		}{{o, 41}, {o, 1}, {other, 99}} { // only the first one counts
			if err := create.by.Create(b.ctx(), create.first); err != nil {
				b.Fatalf("Create(%d): %v", create.first, err)
			}
			b.reaches(create.by, 41, 40)
		}
		if err := o.Follow(b.ctx(), 40, nothing); goneAt(err) != 41 {
			b.Errorf("Follow from 40: %v, want a *GoneError", err)
		}
		err := o.Follow(b.ctx(), 42, nothing)
		if last, ok := backAt(err); !ok || last != 40 {
			b.Errorf("Follow from 42: %v, want a *BackError", err)
		}
		if _, err := o.Message(b.ctx(), 40); goneAt(err) != 41 {
			b.Errorf("Message(40): %v, want a *GoneError", err)
		}
		if _, err := o.Message(b.ctx(), 41); errors.Is(err, cluster.ErrMissing) || err == nil {
			b.Errorf("Message(41): %v, want a *BackError", err)
		} else if last, ok := backAt(err); !ok || last != 40 {
			b.Errorf("Message(41): %v, want a *BackError", err)
		}
		b.publish(other, "x")
		if m := b.follow(o, 41, 1)[0]; m.Seq != 41 || string(m.Data) != "x" {
			b.Errorf("the first message is %d, %q", m.Seq, m.Data)
		}
		b.reaches(o, 41, 41)
	}},
	{"IdentityIsTheSameForAllHubs", func(b *bench) {
		o, other := b.open(), b.open()
		before := b.bounds(o)
		b.publish(o, "x")
		if after := b.bounds(other); before.Identity == "" || after.Identity != before.Identity || after.MaxMessage != before.MaxMessage {
			b.Errorf("two hubs see %+v and %+v", before, after)
		}
	}},
}

var missing = []promise{
	{"MissingOrderIsReported", func(b *bench) {
		o := b.handle()
		b.absent(o)
		if err := o.Publish(b.ctx(), "", newID(), []byte("x")); err == nil {
			b.Error("Publish has stored a message where there is no order")
		}
		if err := o.Create(b.ctx(), 1); err != nil {
			b.Fatal(err)
		}
		b.reaches(o, 1, 0)
	}},
	{"DeletedOrderIsNoticedAndANewOneHasAnotherIdentity", func(b *bench) {
		if b.Delete == nil {
			return
		}
		o := b.open()
		b.publish(o, "1", "2")
		before := b.bounds(o)
		began, done := make(chan struct{}), make(chan error, 1)
		go func() {
			done <- o.Follow(b.ctx(), 2, func([]cluster.Message) error {
				close(began)
				return nil
			})
		}()
		<-began
		b.Delete(b.T)
		if err := <-done; err == nil || errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("Follow in a deleted order has returned %v", err)
		}
		b.eventually("the order is missing", func() bool {
			_, err := o.Bounds(b.ctx())
			return errors.Is(err, cluster.ErrMissing)
		})
		b.absent(o)
		if err := o.Create(b.ctx(), 8); err != nil {
			b.Fatal(err)
		}
		if after := b.bounds(o); after.Identity == before.Identity || after.First != 8 || after.Last != 7 {
			b.Errorf("the new order is %+v, the old one was %+v", after, before)
		}
		b.publish(o, "x")
		if m := b.follow(o, 8, 1)[0]; string(m.Data) != "x" {
			b.Errorf("message 8 is %q", m.Data)
		}
	}},
	{"MessageForAnEarlierOrderIsNotStored", func(b *bench) { // the new order does not know its identifier
		if b.Delete == nil {
			return
		}
		o, other := b.open(), b.open()
		before := b.bounds(o).Identity
		id := newID()
		refused := func(by string, h cluster.Order) {
			b.Helper()
			if err := h.Publish(b.ctx(), before, id, []byte("old")); !errors.As(err, new(*cluster.RefusedError)) {
				b.Errorf("a message for an earlier order, %s: %v, want a *RefusedError", by, err)
			}
		}
		if err := o.Publish(b.ctx(), before, id, []byte("old")); err != nil {
			b.Fatal(err)
		}
		b.Delete(b.T)
		b.eventually("the order is missing", func() bool {
			_, err := other.Bounds(b.ctx())
			return errors.Is(err, cluster.ErrMissing)
		})
		refused("without another one", o)
		if err := other.Create(b.ctx(), 2); err != nil {
			b.Fatal(err)
		}
		refused("by a hub that does not know the new one", o)
		after := b.bounds(o).Identity
		refused("by a hub that knows the new one", o)
		if err := o.Publish(b.ctx(), after, newID(), []byte("new")); err != nil {
			b.Errorf("a message for the new order: %v", err)
		}
		refused("when it has messages", other)
		b.reaches(o, 2, 2)
		if m := b.follow(other, 2, 1)[0]; string(m.Data) != "new" {
			b.Errorf("message 2 is %q", m.Data)
		}
	}},
}

// absent checks that calls report that the order does not exist.
func (b *bench) absent(o cluster.Order) {
	b.Helper()
	if _, err := o.Bounds(b.ctx()); !errors.Is(err, cluster.ErrMissing) {
		b.Errorf("Bounds: %v, want ErrMissing", err)
	}
	if _, err := o.Message(b.ctx(), 1); !errors.Is(err, cluster.ErrMissing) {
		b.Errorf("Message: %v, want ErrMissing", err)
	}
	if err := o.Follow(b.ctx(), 1, nothing); !errors.Is(err, cluster.ErrMissing) {
		b.Errorf("Follow: %v, want ErrMissing", err)
	}
}

var breaking = []promise{
	{"RepeatedPublishStoresOnceWhenTheConnectionBreaks", func(b *bench) {
		if b.Cut == nil {
			return
		}
		o, follower := b.open(), b.open()
		const n, each = 60, 6
		ids := map[cluster.ID]bool{}
		var mu sync.Mutex
		var group sync.WaitGroup
		stored := make(chan struct{}, n)
		for range 4 {
			group.Go(func() {
				for range n / 4 {
					id := newID()
					mu.Lock()
					ids[id] = true
					mu.Unlock()
					for o.Publish(b.ctx(), "", id, []byte("x")) != nil {
						if b.Context().Err() != nil {
							return
						}
					}
					stored <- struct{}{}
				}
			})
		}
		for range n / each {
			for range each {
				select {
				case <-stored:
				case <-b.ctx().Done():
					b.Fatal("no message was stored")
				}
			}
			b.Cut(b.T, o)
		}
		group.Wait()
		b.publish(follower, "end")
		for _, m := range b.follow(follower, 1, n+1)[:n] {
			if !ids[m.ID] {
				b.Errorf("message %d is there twice, or was not published", m.Seq)
			}
			delete(ids, m.ID)
		}
		b.reaches(follower, 1, n+1)
	}},
	{"FollowerContinuesAfterTheConnectionBroke", func(b *bench) {
		if b.Cut == nil {
			return
		}
		o, publisher := b.open(), b.open()
		const n = 60
		next, took := uint64(1), make(chan struct{}, n)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for next <= n && b.Context().Err() == nil && !b.Failed() {
				_ = o.Follow(b.ctx(), next, func(messages []cluster.Message) error {
					for _, m := range messages {
						if m.Seq != next {
							b.Errorf("message %d came, want %d", m.Seq, next)
						}
						next++
						took <- struct{}{}
					}
					if next > n {
						return errEnough
					}
					return nil
				})
			}
		}()
		for i := range n {
			b.publish(publisher, "x")
			if i%10 == 5 {
				b.Cut(b.T, o)
			}
			select {
			case <-took:
			case <-b.ctx().Done():
				b.Fatal("no message came")
			}
		}
		<-done
	}},
}

var closing = []promise{
	{"ContextEndsEveryCall", func(b *bench) {
		o := b.open()
		b.publish(o, "x")
		ctx, cancel := context.WithCancel(b.ctx())
		done := make(chan error, 1)
		began := make(chan struct{})
		go func() {
			done <- o.Follow(ctx, 1, func([]cluster.Message) error { close(began); return nil })
		}()
		<-began
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.Errorf("Follow: %v", err)
		}
		for name, call := range calls(ctx, o) {
			if err := call(); !errors.Is(err, context.Canceled) {
				b.Errorf("%s: %v, want the context's error", name, err)
			}
		}
		b.publish(o, "y")
	}},
	{"CloseEndsEveryCall", func(b *bench) {
		o := b.open()
		b.publish(o, "x")
		done := make(chan error, 1)
		began := make(chan struct{})
		go func() {
			done <- o.Follow(b.ctx(), 1, func([]cluster.Message) error { close(began); return nil })
		}()
		<-began
		if err := o.Close(); err != nil {
			b.Errorf("Close: %v", err)
		}
		if err := <-done; err == nil || errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("Follow has returned %v", err)
		}
		for name, call := range calls(b.ctx(), o) {
			if err := call(); err == nil {
				b.Errorf("%s works after Close", name)
			}
		}
		if err := o.Close(); err != nil {
			b.Errorf("Close again: %v", err)
		}
	}},
}

// calls are all calls of an order that can be made with a context.
func calls(ctx context.Context, o cluster.Order) map[string]func() error {
	return map[string]func() error{
		"Publish":   func() error { return o.Publish(ctx, "", newID(), []byte("x")) },
		"Follow":    func() error { return o.Follow(ctx, 1, nothing) },
		"Message":   func() error { _, err := o.Message(ctx, 1); return err },
		"Bounds":    func() error { _, err := o.Bounds(ctx); return err },
		"Create":    func() error { return o.Create(ctx, 1) },
		"Broadcast": func() error { return o.Broadcast(ctx, []byte("x")) },
	}
}
