package ssetest

import (
	"context"
	"sync"
	"testing"
	"time"
)

// bell wakes those who wait for a change of what a mutex guards. It is guarded by the same mutex. Its channel is
// made by the first who waits and so belongs to that one's bubble, which makes the wait durably blocking.
type bell struct{ rung chan struct{} }

// next returns a channel that the next ring closes.
func (b *bell) next() <-chan struct{} {
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

// await returns once try, called under mu, reports true, or ctx is done.
func await(ctx context.Context, mu *sync.Mutex, b *bell, try func() bool) error {
	mu.Lock()
	defer mu.Unlock()
	for !try() {
		changed := b.next()
		mu.Unlock()
		select {
		case <-changed:
			mu.Lock()
		case <-ctx.Done():
			mu.Lock()
			if try() {
				return nil
			}
			return context.Cause(ctx)
		}
	}
	return nil
}

// patience is how long a cleanup waits for what should be over by itself.
const patience = 10 * time.Second

// waitFor waits for done and fails the test if it takes too long.
func waitFor(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Errorf("ssetest: %s is still running %v after the end of the test", what, patience)
	}
}
