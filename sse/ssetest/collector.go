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

// Collector ranges over a sequence in a goroutine and keeps its values, so that a test can wait for them. Its methods
// are safe for concurrent use.
type Collector[T any] struct {
	mu      sync.Mutex // guards the following
	changes notifier
	values  []T
	taken   int   // how many of values Next has returned
	stopped bool  // the loop breaks at the next value
	ended   bool  // the sequence has ended
	err     error // the error that the sequence yielded last

	done chan struct{}
}

// Collect starts a goroutine that ranges over seq until its end, or until it yields an error. At the end of the test it
// calls [Collector.Stop] and waits for the goroutine; after 10 s the test fails. A sequence that waits must therefore
// end with the test, for example because its context is [testing.TB.Context].
func Collect[T any](t testing.TB, seq iter.Seq2[T, error]) *Collector[T] {
	c := &Collector[T]{done: make(chan struct{})}
	go c.collect(seq)
	t.Cleanup(func() {
		c.Stop()
		waitFor(t, c.done, "a collected sequence")
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
	c.ended, c.err = true, last
	c.changes.notify()
}

// add keeps v and reports whether the loop continues.
func (c *Collector[T]) add(v T) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	c.values = append(c.values, v)
	c.changes.notify()
	return true
}

// Stop makes the loop break at the next value, which it does not keep.
func (c *Collector[T]) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
}

// Next returns the next value and waits for it if necessary. At the end of the sequence it returns the sequence's
// error, or io.EOF if there was none. When ctx is done it returns the cause; a later call waits for the same value.
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

// Wait waits until the sequence has yielded n values in all, and returns all values so far. If there are fewer, its
// error is that of [Collector.Next].
func (c *Collector[T]) Wait(ctx context.Context, n int) ([]T, error) {
	err := c.await(ctx, func() bool { return len(c.values) >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	values := slices.Clone(c.values)
	switch {
	case len(values) >= n:
		return values, nil
	case err != nil:
		return values, fmt.Errorf("ssetest: got %d of %d values: %w", len(values), n, err)
	}
	return values, c.ending()
}

// End waits for the end of the sequence. It returns all values and the error of the sequence, nil if there was none. If
// ctx is done first, it returns its cause.
func (c *Collector[T]) End(ctx context.Context) ([]T, error) {
	err := c.await(ctx, func() bool { return false })
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = c.err
	}
	return slices.Clone(c.values), err
}

// All returns the values so far.
func (c *Collector[T]) All() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.values)
}

// Done returns a channel that is closed at the end of the sequence.
func (c *Collector[T]) Done() <-chan struct{} { return c.done }

// await waits until enough, called under mu, reports true, or until the sequence ends.
func (c *Collector[T]) await(ctx context.Context, enough func() bool) error {
	return await(ctx, &c.mu, &c.changes, func() bool { return enough() || c.ended })
}

// ending returns the error that stands for the end of the sequence. The caller holds mu.
func (c *Collector[T]) ending() error {
	if c.err != nil {
		return c.err
	}
	return io.EOF
}
