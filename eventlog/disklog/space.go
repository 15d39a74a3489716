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

// space watches the free space on the disk.
type space struct {
	short   atomic.Uint64 // free bytes, at least 1, when last found below the reserve; 0: there is enough
	written int64         // bytes that the committer has written since the last check that it asked for
	wake    chan struct{} // receives when the next check is due early
}

// spend counts bytes written. It wakes spaceLoop after an eighth of the reserve, because a fast disk could be full before the next tick.
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
		err := l.space.check(l)
		if err != nil && known {
			l.opts.Logger.Warn("the free space on the log's disk cannot be read", "dir", l.dir, "err", err.Error())
		}
		known = err == nil
	}
}

// fits returns an error if the disk has fewer bytes in all than Options.Reserve: the log would never take a record.
func (s *space) fits(l *Log) error {
	usage, err := l.fs.GetDiskUsage(l.dir)
	if err != nil || l.opts.Reserve < 0 || usage.TotalBytes >= uint64(l.opts.Reserve) {
		return nil //nolint:nilerr // check reports it
	}
	return &eventlog.InvalidError{What: "option", Reason: fmt.Sprintf("Reserve is %d bytes of free space, and the disk has %d bytes in all", l.opts.Reserve, usage.TotalBytes)}
}

func (s *space) check(l *Log) error {
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
			l.opts.Logger.Info("the disk of the log has enough free space again; the log accepts records", "dir", l.dir, "free", usage.AvailBytes)
		}
		return nil
	}
	if s.short.Swap(max(usage.AvailBytes, 1)) == 0 {
		l.opts.Logger.Error("the disk of the log is nearly full; the log accepts no records until there is more free space",
			"dir", l.dir, "free", usage.AvailBytes, "reserve", l.opts.Reserve, "remedy", "make room on the disk, or let retention keep less")
	}
	return nil
}

// full returns an error if free disk space is below the reserve.
func (l *Log) full() error {
	free := l.space.short.Load()
	if free == 0 {
		return nil
	}
	return &eventlog.UnavailableError{Reason: fmt.Sprintf(
		"its disk has %d MiB free and %d MiB are reserved, so nothing was stored; free disk space, or let retention keep less",
		free>>20, l.opts.Reserve>>20)}
}
