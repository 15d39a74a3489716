package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestHubWhoseDiskIsFullStopsWithinThreeSeconds of its part of the shared log: it waited for 10 s for outcomes that did not come, and tried to hand over
// what it no longer leads.
func TestHubWhoseDiskIsFullStopsWithinThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("the disk is full")
		broken := make(chan struct{})
		s := &sharedLog{opened: make(chan struct{}), back: &backend{
			broken: broken, reason: func() error { return full },
			yield: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		}}
		close(s.opened)
		ctx, fail := context.WithCancelCause(t.Context())
		began, gaveUp := time.Now(), make(chan time.Duration, 1)
		go s.watch(ctx, fail, func() { gaveUp <- time.Since(began) })
		close(broken)
		<-ctx.Done()
		if err := context.Cause(ctx); !errors.Is(err, full) {
			t.Errorf("the hub stops because of %v", err)
		}
		s.handOver(context.Background())
		if took := time.Since(began); took > 0 {
			t.Errorf("it waits for another hub to lead for %v", took)
		}
		if after := <-gaveUp; after > handOverTime {
			t.Errorf("publishers get no answer for %v", after)
		}
	})
}
