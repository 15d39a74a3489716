package disklog

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// failed is called when the store's writes fail, by the goroutine that met the error, which may hold Pebble's locks.
func (l *Log) failed(err error) {
	now := "it accepts no records until it has recovered"
	if l.opts.Mirror {
		now = "it is closed, because the shared log has everything; open it again"
	}
	l.opts.Logger.Error("the log cannot be written; "+now, "dir", l.dir, "err", err.Error(), "remedy", remedy(err))
	select {
	case l.broken <- struct{}{}:
	default:
	}
}

// writable is like hold, for the committer. It returns an error if the log accepts no records.
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

// refused is the error of calls that were refused because the disk had failed.
func refused(err error) error {
	return &eventlog.UnavailableError{
		Reason: "its disk has failed and nothing was stored; it recovers by itself when the disk works again; " + remedy(err), Err: err,
	}
}

// broken is the error of calls during which the disk failed.
func broken(err error) error {
	return &eventlog.UnavailableError{
		Reason: "its disk failed during the append, and the records may or may not be stored; append them again with the same keys; " + remedy(err), Err: err,
	}
}

// unopened is the error of all calls while there is no store.
func unopened(err error) error {
	return &eventlog.UnavailableError{Reason: "it has failed and could not be opened again yet; it keeps trying", Err: err}
}

const (
	recoverFirst = 50 * time.Millisecond
	recoverMost  = 10 * time.Second
)

// recoverLoop opens a failed store again, with growing pauses, and closes a mirror. Until the disk accepts writes, the failed store stays open for reads.
func (l *Log) recoverLoop() {
	for {
		select {
		case <-l.broken:
		case <-l.closing:
			return
		}
		if l.opts.Mirror {
			go func() { _ = l.Close() }() // which waits for this loop; the owner gets the error from its own Close
			return
		}
		for pause := recoverFirst; l.isBroken(); pause = min(2*pause, recoverMost) {
			select {
			case <-time.After(pause):
			case <-l.closing:
				return
			}
			if err := l.recoverStore(); err != nil {
				l.opts.Logger.Warn("the log cannot be opened again yet", "dir", l.dir, "err", err.Error(), "again in", min(2*pause, recoverMost))
			}
		}
	}
}

func (l *Log) isBroken() bool {
	l.taken.Lock()
	defer l.taken.Unlock()
	return l.store == nil || l.store.db.Failed()
}

// recoverStore closes the failed store, which changes nothing on disk, and opens it again.
func (l *Log) recoverStore() error {
	if err := writeOwner(l.fs, l.dir); err != nil { // a cheap test of the disk
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

// reopen opens the store again.
func (l *Log) reopen() (*store, error) {
	s, err := l.openStore(false)
	if err != nil {
		return nil, err
	}
	if head := l.Head(); s.head.seq < head.Seq && s.gen == head.Gen {
		// Acknowledged records are gone: the disk did not do a sync that it reported. Readers get a gap, and no number is used twice.
		if err := errors.Join(s.loseUpTo(head.Seq), s.db.Err()); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// openToRead opens a store for reading only, after it could not be opened for writing. It returns nil if that fails too.
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

// loadToRead loads the state that the log keeps in memory, and writes nothing. Lost records that readers have seen become a hole.
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
