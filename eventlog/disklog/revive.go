package disklog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// failed is called by the fence of a store, by whichever goroutine has met the error and with whatever locks it holds.
func (l *Log) failed(err error) {
	l.opts.Logger.Error("the log cannot be written; it takes no records until it can be opened again",
		"dir", l.dir, "err", err.Error(), "remedy", remedy(err))
	select {
	case l.broken <- struct{}{}:
	default:
	}
}

// writable is hold for the committer: it returns an error if the log takes no records.
func (l *Log) writable() (*store, error) {
	if err := l.full(); err != nil {
		return nil, err
	}
	s, err := l.hold(context.Background())
	if err == nil && s.db.Failed() {
		defer s.release()
		return nil, refused(s.db.Err())
	}
	return s, err
}

// Ready implements [eventlog.Readier].
func (l *Log) Ready(ctx context.Context) error {
	if err := l.full(); err != nil {
		return err
	}
	s, err := l.use(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	if s.db.Failed() {
		return refused(s.db.Err())
	}
	return nil
}

// full returns an error if there is no room on the disk.
func (l *Log) full() error {
	free := l.space.short.Load()
	if free == 0 {
		return nil
	}
	return &eventlog.UnavailableError{Reason: fmt.Sprintf(
		"its disk has %d MiB left and %d MiB are kept in reserve, nothing was stored; make room on the disk, or let retention keep less",
		free>>20, l.opts.Reserve>>20)}
}

// refused is the error of what was not even begun, because the disk had failed.
func refused(err error) error {
	return &eventlog.UnavailableError{
		Reason: "its disk has failed, nothing was stored, and it goes on by itself when the disk works again; " + remedy(err), Err: err,
	}
}

// broken is the error of what was on its way when the disk failed.
func broken(err error) error {
	return &eventlog.UnavailableError{
		Reason: "its disk failed meanwhile, and whether this was stored is not known; repeat it with the same key; " + remedy(err), Err: err,
	}
}

// unopened is the error of all calls while there is no store.
func unopened(err error) error {
	return &eventlog.UnavailableError{Reason: "it could not be opened again after a failure and tries on", Err: err}
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
				l.opts.Logger.Warn("the log still cannot be opened", "dir", l.dir, "err", err.Error(), "again in", min(2*pause, reviveMost))
			}
		}
	}
}

func (l *Log) isBroken() bool {
	l.taken.Lock()
	defer l.taken.Unlock()
	return l.store == nil || l.store.db.Failed()
}

// revive closes the store, which changes nothing on disk, and opens the next.
func (l *Log) revive() error {
	if err := writeOwner(l.fs, l.dir); err != nil { // as good as any other file to see whether it works
		return err
	}
	if s := l.take(); s != nil {
		if err := s.close(); err != nil {
			l.opts.Logger.Debug("the log was closed after a failure", "dir", l.dir, "err", err.Error())
		}
	}
	s, err := l.reopen()
	if err != nil {
		l.put(l.openToRead(err), unopened(err))
		return err
	}
	head := s.position()
	l.publish(head)
	l.put(s, nil)
	l.opts.Logger.Info("the log was opened again", "dir", l.dir, "head", head.String())
	return nil
}

// reopen opens the next store.
func (l *Log) reopen() (*store, error) {
	s, err := l.openStore(false)
	if err != nil {
		return nil, err
	}
	if head := l.Head(); s.head.seq < head.Seq && s.gen == head.Gen {
		// What was acknowledged is gone: the disk has lied about a sync. Readers get to know, and no number comes twice.
		if err := errors.Join(s.loseUpTo(head.Seq), s.db.Err()); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// openToRead opens a store that could not be opened otherwise, because of an error, for those who read. It is nil if that is
// not possible either.
func (l *Log) openToRead(why error) *store {
	s, err := l.openDB(why)
	if err == nil {
		if err = s.loadToRead(l.Head()); err != nil {
			err = errors.Join(err, s.close())
		}
	}
	if err != nil {
		l.opts.Logger.Warn("the log cannot be read either", "dir", l.dir, "err", err.Error())
		return nil
	}
	return s
}

// loadToRead reads what is kept in memory, and writes nothing. What readers have seen and is not there is missing to them.
func (s *store) loadToRead(head eventlog.Position) error {
	if err := errors.Join(s.whole(), s.loadMeta()); err != nil {
		return err
	}
	if s.gen = head.Gen; s.head.seq < head.Seq {
		holes := append(slices.Clone(*s.holes.Load()), hole{s.head.seq + 1, head.Seq, eventlog.Rollback})
		s.holes.Store(&holes)
		s.head.seq = head.Seq
	}
	s.marks = newMarks(max(s.head.seq, s.lease), s.trim.Load().trimmed)
	s.topics.init()
	return nil
}

// space watches the free space on the disk.
type space struct {
	short   atomic.Uint64 // free bytes when they were last seen below the reserve, at least 1; 0: there is enough
	written int64         // bytes since the committer has let it be looked at
	wake    chan struct{} // receives when so much was written that it is time to look
}

// spend counts what the committer has written. A fast disk could be full before the next tick.
func (s *space) spend(n int, reserve int64) {
	if s.written += int64(n); reserve < 0 || s.written < reserve/8 {
		return
	}
	s.written = 0
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

const spaceEvery = time.Second

func (l *Log) spaceLoop() {
	tick := time.NewTicker(spaceEvery)
	defer tick.Stop()
	for known := true; ; {
		select {
		case <-tick.C:
		case <-l.space.wake:
		case <-l.closing:
			return
		}
		err := l.space.look(l)
		if err != nil && known {
			l.opts.Logger.Warn("nobody knows how much space the disk of the log has left", "dir", l.dir, "err", err.Error())
		}
		known = err == nil
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
	if usage.AvailBytes >= uint64(l.opts.Reserve) {
		if s.short.Swap(0) != 0 {
			l.opts.Logger.Info("the disk of the log has room again; the log takes records", "dir", l.dir, "free", usage.AvailBytes)
		}
		return nil
	}
	if s.short.Swap(max(usage.AvailBytes, 1)) == 0 {
		l.opts.Logger.Error("the disk of the log is nearly full; the log takes no records until there is room again",
			"dir", l.dir, "free", usage.AvailBytes, "reserve", l.opts.Reserve, "remedy", "make room on the disk, or let retention keep less")
	}
	return nil
}
