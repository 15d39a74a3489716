package ssetest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"testing"
)

// Collector ranges over a sequence in a goroutine, keeps what it yields, and lets a test wait for it. Its methods are
// safe for concurrent use.
type Collector[T any] struct {
	mu      sync.Mutex // guards the following
	bell    bell
	values  []T
	taken   int  // of values, by Next
	stopped bool // the next value breaks the loop
	over    bool
	err     error // what ended the sequence

	done chan struct{}
}

// Collect starts to range over seq, the error of which comes last, if any. At the end of the test it stops as
// [Collector.Stop] does and waits; a sequence that still sleeps then must end by itself, as one does whose context is
// [testing.TB.Context]. If it does not within 10 s the test fails.
func Collect[T any](t testing.TB, seq iter.Seq2[T, error]) *Collector[T] {
	c := &Collector[T]{done: make(chan struct{})}
	go c.collect(seq)
	t.Cleanup(func() {
		c.Stop()
		waitFor(t, c.done, "a sequence that was collected")
	})
	return c
}

func (c *Collector[T]) collect(seq iter.Seq2[T, error]) {
	defer close(c.done)
	var last error
	for v, err := range seq {
		if err != nil {
			last = err
			break
		}
		if !c.add(v) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.err = true, last
	c.bell.ring()
}

// add keeps v and reports whether to go on.
func (c *Collector[T]) add(v T) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	c.values = append(c.values, v)
	c.bell.ring()
	return true
}

// Stop makes the loop break at the next value, which is not kept.
func (c *Collector[T]) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
}

// Next waits for the value after that of the last call. When there is none the error is io.EOF if the sequence ended
// without an error, else its error, or the cause of ctx's end; later calls go on where this one gave up.
func (c *Collector[T]) Next(ctx context.Context) (T, error) {
	var next T
	err := c.await(ctx, func() bool { return c.taken < len(c.values) })
	if err != nil {
		return next, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken == len(c.values) {
		return next, c.ending()
	}
	next = c.values[c.taken]
	c.taken++
	return next, nil
}

// Wait waits until there are n values in all and returns those there are then. The error, when they are fewer,
// is as that of [Collector.Next].
func (c *Collector[T]) Wait(ctx context.Context, n int) ([]T, error) {
	err := c.await(ctx, func() bool { return len(c.values) >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	values := slices.Clone(c.values)
	switch {
	case len(values) >= n:
		return values, nil
	case err != nil:
		return values, fmt.Errorf("ssetest: there are %d of %d values: %w", len(values), n, err)
	}
	return values, c.ending()
}

// End waits for the end of the sequence and returns all its values and its error, nil if it ended without one. When ctx
// ends first, the error is its cause.
func (c *Collector[T]) End(ctx context.Context) ([]T, error) {
	err := c.await(ctx, func() bool { return false })
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = c.err
	}
	return slices.Clone(c.values), err
}

// All returns the values there are so far.
func (c *Collector[T]) All() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.values)
}

// Done is closed when the sequence has ended and its goroutine is about to.
func (c *Collector[T]) Done() <-chan struct{} { return c.done }

// await waits until enough, called under mu, reports true or the sequence is over.
func (c *Collector[T]) await(ctx context.Context, enough func() bool) error {
	return await(ctx, &c.mu, &c.bell, func() bool { return enough() || c.over })
}

// ending returns why there is no further value. The caller holds mu.
func (c *Collector[T]) ending() error {
	if c.err != nil {
		return c.err
	}
	return io.EOF
}
