package disklog

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// Snapshot implements eventlog.Snapshotter, for mirrors only: a copy of another log would give its numbers to other records. Tables are
// hard links where the file system can make them, so that a snapshot is quick and takes little space at first. It has everything
// that Apply has stored before the call.
//
// It fails with [eventlog.ErrNotMirror], a *DirError about the new directory, and the errors of the log. It cannot be interrupted once it
// has begun to copy.
func (l *Log) Snapshot(ctx context.Context, dir string) (err error) {
	if !l.opts.Mirror {
		return errors.Join(l.closedError(), eventlog.ErrNotMirror)
	}
	s, err := l.use(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	if s.db.Failed() {
		return refused(s.db.Err())
	}
	to := directory{fs: l.fs, name: dir, mirror: true}
	if to.real() {
		if to.name, err = filepath.Abs(dir); err != nil {
			return accessError(dir, err)
		}
	}
	if _, err := to.fs.Stat(to.name); err == nil {
		return &DirError{to.name, "name a directory that does not exist", fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return accessError(to.name, err)
	}
	err = s.db.Checkpoint(to.name, pebble.WithFlushedWAL())
	if err == nil { // last, because it makes the directory a log
		err = to.writeIdentity(to.mark)
	}
	failed := s.db.Err()
	switch {
	case failed != nil:
		return errors.Join(broken(failed), to.fs.RemoveAll(to.name))
	case err != nil:
		return accessError(to.name, errors.Join(err, to.fs.RemoveAll(to.name)))
	}
	return nil
}

// ToMirror makes the directory of a single hub's log a mirror, and returns the position of its newest record. Its records stay, under their
// numbers. The mirror keeps the generation until its shared log begins one, which has to happen after that number; from then on
// clients that have a position get a gap, and continue with new records. The directory must not be open.
func ToMirror(dir string) (eventlog.Position, error) { return convert(dir, true) }

// FromMirror makes the directory of a mirror the log of a single hub, and returns the position of its newest record. Its records stay, under
// their numbers, in a new generation: clients that have a position get a gap. The retention rules are again those of [Options], and the
// state is forgotten. The directory must not be open.
func FromMirror(dir string) (eventlog.Position, error) { return convert(dir, false) }

// converted is the fingerprint of a directory that was a mirror. It equals no other fingerprint, so that the next Open begins a generation.
const converted = "converted from a mirror"

func convert(dir string, mirror bool) (eventlog.Position, error) {
	opts, err := (&Options{Reserve: -1, Mirror: !mirror}).withDefaults()
	if err != nil {
		return eventlog.Position{}, err
	}
	if err := checkRestored(vfs.Default, dir); err != nil {
		return eventlog.Position{}, err
	}
	// Opening and closing the directory in its old role finishes an interrupted change, and notes records that a crash has lost.
	l, err := open(dir, opts, false)
	if err != nil {
		return eventlog.Position{}, err
	}
	head := l.Head()
	if err := l.Close(); err != nil {
		return eventlog.Position{}, err
	}
	if err := changeRole(l, mirror); err != nil || mirror {
		return head, err
	}
	opts.Mirror = false
	if l, err = open(dir, opts, false); err != nil {
		return eventlog.Position{}, err
	}
	return l.Head(), l.Close()
}

// changeRole writes the new role of a directory. The next Open does the rest.
func changeRole(l *Log, mirror bool) error {
	lock, err := lockDir(l.fs, l.dir)
	if err != nil {
		return err
	}
	d := directory{fs: l.fs, name: l.dir, mirror: mirror}
	mark := d.mark
	if !mirror {
		mark = func(string) string { return converted }
	}
	if err = d.writeIdentity(mark); err != nil {
		err = accessError(l.dir, err)
	}
	return errors.Join(err, lock.Close())
}
