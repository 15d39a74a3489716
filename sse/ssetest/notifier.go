package ssetest

import (
	"context"
	"sync"
	"testing"
	"time"
)

// notifier wakes goroutines that wait for a change of state. The mutex that guards the state also guards the notifier.
// The first waiting goroutine creates the channel, so that the channel belongs to its synctest bubble and the wait is
// durably blocking.
type notifier struct{ notified chan struct{} }

// next returns a channel that the next call of notify closes.
func (n *notifier) next() <-chan struct{} {
	if n.notified == nil {
		n.notified = make(chan struct{})
	}
	return n.notified
}

func (n *notifier) notify() {
	if n.notified != nil {
		close(n.notified)
		n.notified = nil
	}
}

// await waits until try, called under mu, reports true, or until ctx is done. It returns nil in the first case, else
// the cause of ctx.
func await(ctx context.Context, mu *sync.Mutex, n *notifier, try func() bool) error {
	mu.Lock()
	defer mu.Unlock()
	for !try() {
		changed := n.next()
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

// cleanupTimeout limits how long a cleanup function waits for a goroutine to end.
const cleanupTimeout = 10 * time.Second

// waitFor waits until done is closed. It fails the test after cleanupTimeout.
func waitFor(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	timer := time.NewTimer(cleanupTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Errorf("ssetest: %s is still running %v after the end of the test", what, cleanupTimeout)
	}
}
