package disklog

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions says when Pebble may merge tables: one at a time, as it does by itself, but not when the disk has failed, and
// after it went wrong only with growing pauses. By itself Pebble tries again at once, for ever: one damaged block in a young
// table would keep a processor busy and the disk writing.
type compactions struct {
	fence *fence
	db    pebble.DBForCompaction
	poke  chan struct{} // wakes the loop
	over  chan struct{} // closed by Unregister
	loop  sync.WaitGroup

	changed atomic.Bool // there are other tables than when behind has looked
	tables  int         // on top of each other, when it has; it is called by the committer alone

	mu      sync.Mutex // guards the following fields; Pebble may hold locks of its own when it takes it
	closed  bool
	running bool
	refused int           // how often Pebble was refused since it was last asked in vain; it waits to be asked
	pause   time.Duration // after the next failure
	until   time.Time     // of the pause
}

var _ pebble.CompactionScheduler = (*compactions)(nil)

const (
	compactAgain = time.Second // the first pause
	compactMost  = 5 * time.Minute
)

func newCompactions(f *fence) *compactions {
	return &compactions{fence: f, poke: make(chan struct{}, 1), over: make(chan struct{})}
}

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	c.loop.Go(func() { labelled("disklog compactions", c.grantLoop) })
}

// Unregister implements pebble.CompactionScheduler. It may be called twice: Pebble forgets to when it cannot be opened.
func (c *compactions) Unregister() {
	c.mu.Lock()
	if !c.closed {
		close(c.over)
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

// grantLoop gives the permissions that were refused, as soon as it can.
func (c *compactions) grantLoop() {
	for {
		select {
		case <-c.poke:
		case <-c.over:
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
		return // Done comes here again
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	if c.refused -= refused; c.refused > 0 {
		c.wake()
	}
}

// ended takes the result of a compaction.
func (c *compactions) ended(err error) {
	c.changed.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil || errors.Is(err, pebble.ErrCancelledCompaction) {
		c.pause = 0
		return
	}
	c.pause = min(max(2*c.pause, compactAgain), compactMost)
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

// tablesMost is how many tables may lie on top of each other before appends wait until some are merged: each costs those who
// read.
const tablesMost = 40

// behind reports whether appends have to wait. They do not where merging can never catch up, because something is damaged or
// the disk has failed.
func (s *store) behind() bool {
	if s.merging.changed.Swap(false) {
		s.merging.tables = int(s.db.Metrics().Levels[0].Sublevels)
	}
	return s.merging.tables >= tablesMost && !s.fence.down() && !s.damage.found.Load()
}

// awaitMerging waits until merging has caught up. Pebble would do so itself, but where nobody could call it off.
func (l *Log) awaitMerging() {
	for {
		s, err := l.hold(context.Background())
		if err != nil {
			return
		}
		behind := s.behind()
		s.release()
		if !behind {
			return
		}
		select {
		case <-time.After(mergingEvery):
		case <-l.closing:
			return
		}
	}
}

// mergingEvery is how often somebody who waits for merging looks. Few do, and they wait for long.
const mergingEvery = 20 * time.Millisecond
