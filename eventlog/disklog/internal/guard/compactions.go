package guard

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions is Pebble's compaction scheduler: one compaction at a time, none after the disk has failed, and growing pauses after
// failures.
type compactions struct {
	fence *fence
	db    pebble.DBForCompaction
	poke  chan struct{} // wakes grantLoop
	done  chan struct{} // closed by Unregister
	loop  sync.WaitGroup

	changed   atomic.Bool // tables changed since behind last counted sublevels
	sublevels int         // of level 0, as behind last counted them; used by its caller's goroutine only

	mu      sync.Mutex // guards the following fields; Pebble may call with its own locks held
	closed  bool
	running bool
	refused int           // requests that were refused and that Pebble may still want granted
	pause   time.Duration // after the last failure, 0 after a success
	until   time.Time     // the end of the pause
}

var _ pebble.CompactionScheduler = (*compactions)(nil)

const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute

	// maxSublevels is how many tables may overlap in level 0 before writers should wait: each costs every read.
	maxSublevels = 40
)

func newCompactions(f *fence) *compactions {
	return &compactions{fence: f, poke: make(chan struct{}, 1), done: make(chan struct{})}
}

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	c.loop.Go(func() {
		pprof.Do(context.Background(), pprof.Labels("goroutine", "pebble compactions"), func(context.Context) { c.grantLoop() })
	})
}

// Unregister implements pebble.CompactionScheduler. It may be called twice.
func (c *compactions) Unregister() {
	c.mu.Lock()
	if !c.closed {
		close(c.done)
	}
	c.closed = true
	c.mu.Unlock()
	c.loop.Wait()
}

// TrySchedule implements pebble.CompactionScheduler.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.free() {
		c.refused++
		return false, nil
	}
	c.running = true
	return true, c
}

// free reports whether a compaction may begin.
func (c *compactions) free() bool {
	return !c.closed && !c.running && !c.fence.down() && !time.Now().Before(c.until)
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (c *compactions) UpdateGetAllowedWithoutPermission() {}

func (c *compactions) wake() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// grantLoop grants refused requests as soon as a compaction may begin.
func (c *compactions) grantLoop() {
	for {
		select {
		case <-c.poke:
		case <-c.done:
			return
		}
		c.grant()
	}
}

func (c *compactions) grant() {
	c.mu.Lock()
	if c.refused == 0 || !c.free() {
		c.mu.Unlock()
		return
	}
	c.running = true
	refused := c.refused
	c.mu.Unlock()
	if c.db.Schedule(c) {
		return // Done wakes the loop again
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	if c.refused -= refused; c.refused > 0 {
		c.wake()
	}
}

// ended records the result of a compaction, and begins a pause if it failed.
func (c *compactions) ended(err error) {
	c.changed.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil || errors.Is(err, pebble.ErrCancelledCompaction) {
		c.pause = 0
		return
	}
	c.pause = min(max(2*c.pause, firstPause), longestPause)
	c.until = time.Now().Add(c.pause)
	time.AfterFunc(c.pause, c.wake)
}

// Started implements pebble.CompactionGrantHandle.
func (c *compactions) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle.
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements pebble.CompactionGrantHandle.
func (c *compactions) Done() {
	c.mu.Lock()
	c.running = false
	c.mu.Unlock()
	c.wake()
}

// behind reports whether level 0 has so many overlapping tables that writers should wait.
func (c *compactions) behind(db *pebble.DB) bool {
	if c.changed.Swap(false) {
		c.sublevels = int(db.Metrics().Levels[0].Sublevels)
	}
	return c.sublevels >= maxSublevels
}
