package disklog

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// failed is called by the fence of a store, by whichever goroutine has met the error and with whatever locks it holds.
func (l *Log) failed(err error) {
	l.opts.Logger.Error("the log cannot be written; it takes no records until it can be opened again", "dir", l.dir, "err", err)
	select {
	case l.broken <- struct{}{}:
	default:
	}
}

// unavailable returns why the log takes no records, or nil.
func (l *Log) unavailable() error {
	if free := l.space.short.Load(); free != 0 {
		return &eventlog.UnavailableError{Reason: fmt.Sprintf(
			"its disk has %d MiB left and keeps %d MiB in reserve; make room, or let retention keep less", free>>20, l.opts.Reserve>>20)}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.store != nil && l.store.fence.down() {
		return broken(l.store.fence.err())
	}
	return nil
}

const (
	reviveFirst = 50 * time.Millisecond
	reviveMost  = 10 * time.Second
)

// reviveLoop opens a store that has failed again, with growing pauses. Until the disk takes something the old one
// stays, for those who read.
func (l *Log) reviveLoop() {
	for {
		select {
		case <-l.broken:
		case <-l.closing:
			return
		}
		for pause := reviveFirst; l.isBroken(); pause = min(2*pause, reviveMost) {
			select {
			case <-time.After(pause):
			case <-l.closing:
				return
			}
			if err := l.revive(); err != nil {
				l.opts.Logger.Warn("the log still cannot be opened", "dir", l.dir, "err", err, "again in", min(2*pause, reviveMost))
			}
		}
	}
}

func (l *Log) isBroken() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.store == nil || l.store.fence.down()
}

// revive closes the store, which changes nothing on disk, and opens the next.
func (l *Log) revive() error {
	if err := writeOwner(l.fs, l.dir); err != nil { // as good as any other file to see whether it works
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store != nil {
		if err := l.store.close(); err != nil {
			l.opts.Logger.Debug("the log was closed after a failure", "dir", l.dir, "err", err)
		}
		l.store = nil
	}
	s, err := l.openStore(false)
	if err != nil {
		return err
	}
	if head := l.Head(); s.head.seq < head.Seq && s.gen == head.Gen {
		// What was acknowledged is gone: the disk has lied about a sync. Readers get to know, and no number comes twice.
		if err := s.loseUpTo(head.Seq); err != nil {
			return err
		}
	}
	l.store = s
	l.publish(s.position())
	l.opts.Logger.Info("the log was opened again", "dir", l.dir, "head", s.position().String())
	return nil
}

// space watches the free space on the disk.
type space struct {
	short atomic.Uint64 // free bytes when they were last seen below the reserve, at least 1; 0: there is enough
}

const spaceEvery = time.Second

func (l *Log) spaceLoop() {
	tick := time.NewTicker(spaceEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.closing:
			return
		}
		if err := l.space.look(l); err != nil {
			l.opts.Logger.Warn("nobody knows how much space the disk of the log has left", "dir", l.dir, "err", err)
		}
	}
}

func (s *space) look(l *Log) error {
	if l.opts.Reserve < 0 {
		return nil
	}
	usage, err := l.fs.GetDiskUsage(l.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	} else if err != nil {
		return &os.PathError{Op: "disk usage", Path: l.dir, Err: err}
	}
	if usage.AvailBytes < uint64(l.opts.Reserve) {
		s.short.Store(max(usage.AvailBytes, 1))
	} else {
		s.short.Store(0)
	}
	return nil
}
