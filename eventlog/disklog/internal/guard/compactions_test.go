package guard

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactingDB stands for a store that always has something to compact.
type compactingDB struct {
	pebble.DBForCompaction
	began chan pebble.CompactionGrantHandle
}

func (db *compactingDB) Schedule(h pebble.CompactionGrantHandle) bool {
	db.began <- h
	return true
}

// TestFailedCompactionsAreRetriedWithGrowingPauses: by itself Pebble retries at once, forever.
func TestFailedCompactionsAreRetriedWithGrowingPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCompactions(newFence(nil, nil))
		db := &compactingDB{began: make(chan pebble.CompactionGrantHandle, 1)}
		c.Register(1, db)
		defer c.Unregister()
		if ok, _ := c.TrySchedule(); !ok {
			t.Fatal("the first compaction has to wait")
		}
		var handle pebble.CompactionGrantHandle = c
		for _, seconds := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			failed := time.Now()
			c.ended(errors.New("a block is damaged"))
			handle.Done()
			if ok, _ := c.TrySchedule(); ok {
				t.Fatal("a compaction that failed is retried at once")
			}
			handle = <-db.began
			if got := time.Since(failed).Seconds(); got != seconds {
				t.Errorf("the next compaction begins after %v s, want %v s", got, seconds)
			}
		}
		c.ended(nil)
		handle.Done()
		if handle = <-db.began; c.pause != 0 {
			t.Errorf("after a success the next pause follows one of %v", c.pause)
		}
		c.fence.fail(errors.New("the disk has failed"))
		handle.Done()
		if ok, _ := c.TrySchedule(); ok {
			t.Error("a compaction begins after the disk has failed")
		}
	})
}
