package ssetest_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// numbers yields 1 to n, one per minute, then err if it is not nil. It ends when ctx is done, as a client's sequence
// does.
func numbers(ctx context.Context, n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
				return
			}
			if !yield(i+1, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

func TestCollectorWaitsForValuesAndTheEnd(t *testing.T) {
	failure := errors.New("broken")
	for name, c := range map[string]struct{ err, next, end error }{
		"clean":  {nil, io.EOF, nil},
		"broken": {failure, failure, failure},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := ssetest.Collect(t, numbers(t.Context(), 3, c.err))
				start := time.Now()
				if n, err := got.Next(t.Context()); n != 1 || err != nil || time.Since(start) != time.Minute {
					t.Errorf("the first is %d and %v after %v", n, err, time.Since(start))
				}
				if all, err := got.Wait(t.Context(), 2); !slices.Equal(all, []int{1, 2}) || err != nil {
					t.Errorf("two are %v and %v", all, err)
				}
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if all, err := got.Wait(short, 3); len(all) != 2 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a short wait gives %v and %v", all, err)
				}
				if n, err := got.Next(short); n != 2 || err != nil {
					t.Errorf("the second, which has arrived, is %d and %v", n, err)
				}
				if n, err := got.Next(short); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a short wait gives %d and %v", n, err)
				}
				if n, err := got.Next(t.Context()); n != 3 || err != nil {
					t.Errorf("the third is %d and %v", n, err)
				}
				if all, err := got.End(t.Context()); len(all) != 3 || !errors.Is(err, c.end) {
					t.Errorf("the end gives %v and %v", all, err)
				}
				for range 2 {
					if _, err := got.Next(t.Context()); !errors.Is(err, c.next) {
						t.Errorf("after the end Next gives %v", err)
					}
				}
				if all, err := got.Wait(t.Context(), 4); len(all) != 3 || !errors.Is(err, c.next) {
					t.Errorf("after the end Wait gives %v and %v", all, err)
				}
				if all := got.All(); len(all) != 3 {
					t.Errorf("all are %v", all)
				}
				<-got.Done()
			})
		})
	}
}

func TestStopBreaksTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := ssetest.Collect(t, numbers(t.Context(), 10, nil))
		if _, err := got.Wait(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		got.Stop()
		if all, err := got.End(t.Context()); len(all) != 2 || err != nil {
			t.Errorf("stopped, it has %v and %v", all, err)
		}
	})
}

func TestSequenceThatOutlivesTheTestFailsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &errorsOf{TB: t}
		release := make(chan struct{})
		t.Cleanup(func() { // runs after the collector's cleanup
			if len(inner.errors) != 1 {
				t.Errorf("the errors are %q, want one", inner.errors)
			}
			close(release)
		})
		ssetest.Collect(inner, func(func(int, error) bool) { <-release })
	})
}
