package h2

import (
	"testing"
	"time"
)

// TestDeadlineThatPassesAsAWaitBeginsEndsIt waits until deadlines that pass at any moment around the beginning of the wait.
func TestDeadlineThatPassesAsAWaitBeginsEndsIt(t *testing.T) {
	c := &conn{}
	c.changed.L = &c.mu
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2_000 {
			c.mu.Lock()
			c.await(time.Now().Add(time.Duration(i) * time.Nanosecond))
			c.mu.Unlock()
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("a wait goes on after its deadline")
		c.mu.Lock()
		c.changed.Broadcast()
		c.mu.Unlock()
	}
}
