package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
)

// damagedDir is where a copy of the shared log that cannot be opened stays until the hub has joined its cluster with another one. Further copies
// are beside it, with a number. Each may have the only events of a lost cluster, so none replaces another one.
const (
	damagedDir  = mirrorDir + ".damaged"
	damagedMost = 3
)

// damaged returns the directories of damaged copies, and one for the next.
func (s *sharedLog) damaged() (all []string, next string) {
	for i := range damagedMost {
		dir := filepath.Join(s.dir, damagedDir)
		if i > 0 {
			dir += fmt.Sprint(".", i+1)
		}
		switch {
		case exists(dir):
			all = append(all, dir)
		case next == "":
			next = dir
		}
	}
	return all, next
}

// copies reports whether this hub can take copies of other hubs' logs.
func (s *sharedLog) copies() bool { return s.member.Key != nil && !s.flags.alone() }

// openMirror opens this hub's copy of the shared log. One that is too damaged to be opened is set aside: an empty one takes its place, which
// the shared log or another hub fills.
func (s *sharedLog) openMirror() (*disklog.Log, error) {
	left, err := filepath.Glob(filepath.Join(s.dir, "snapshot-*")) // after a crash
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return nil, err
	}
	place := filepath.Join(s.dir, mirrorDir)
	written := lastWrite(place)
	o := &disklog.Options{Mirror: true, Retention: s.flags.retention(), Logger: s.logger, Reserve: cmp.Or(int64(s.flags.MinFree), -1), Files: currentShare().tables}
	log, err := disklog.Open(place, o)
	unusable, ok := errors.AsType[*disklog.DirError](err)
	if !ok || !unusable.Damaged() || !s.copies() {
		return log, s.flags.whyClosed(err)
	}
	all, aside := s.damaged()
	if aside == "" {
		return nil, fmt.Errorf("this hub's copy of the shared log is damaged, and %s has %d damaged copies already: %w\nhint: delete those that are not needed: %s", s.dir, len(all), unusable.Err, strings.Join(all, ", "))
	}
	s.logger.Error("this hub's copy of the shared log is damaged; the hub sets it aside until it has a new one from its cluster; check the disk",
		"aside", aside, "err", unusable.Err.Error())
	if err := errors.Join(os.Rename(place, aside), os.Chtimes(aside, written, written), syncDir(s.dir)); err != nil {
		return nil, err
	}
	log, err = disklog.Open(place, o)
	return log, s.flags.whyClosed(err)
}

// lastWrite returns when a file in a directory was last written; the zero time if there is none.
func lastWrite(dir string) (last time.Time) {
	files, _ := os.ReadDir(dir) // without an answer there is none
	for _, file := range files {
		if info, err := file.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// dropDamaged removes the copies that were set aside, once this hub has everything again. One stays if the hub lacks messages, or if the cluster is
// younger than the copy: then the copy is of a cluster before, and may have the only events of that.
func (s *sharedLog) dropDamaged(ctx context.Context) error {
	all, _ := s.damaged()
	if len(all) == 0 {
		return nil
	}
	begun, err := s.begun(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, aside := range all {
		info, err := os.Stat(aside)
		switch {
		case err != nil:
		case s.log.Details().Gap || !begun.Before(info.ModTime()):
			s.logger.Warn("the damaged copy of the shared log stays, because it may have events that this cluster lacks; delete it when it is not needed", "dir", aside)
		default:
			err = os.RemoveAll(aside)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// begun returns the time of the oldest record that the hubs wrote about their cluster.
func (s *sharedLog) begun(ctx context.Context) (time.Time, error) {
	q, err := s.log.Seek(ctx, eventlog.Topics(cluster.Topic), eventlog.Start{Last: eventlog.MaxCount})
	if err != nil {
		return time.Time{}, err
	}
	a, err := s.log.Read(ctx, q)
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		a, err = s.log.Read(ctx, gap.Partial(q))
	}
	if err != nil || len(a.Records) == 0 {
		return time.Now(), err // the cluster has forgotten its beginning
	}
	return a.Records[0].Time, nil
}

// fetch copies the log of another hub, as [cluster.Options] demands.
func (s *sharedLog) fetch(ctx context.Context, after uint64) (replace func() (eventlog.Mirror, error), err error) {
	select {
	case <-s.opened:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	body, err := hub.FetchSnapshot(ctx, s.log, &s.member, s.back.hubs, after)
	if errors.Is(err, hub.ErrNoSnapshot) {
		return nil, cluster.ErrNoSnapshot
	} else if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was read to its end, or the error says why not
	place := filepath.Join(s.dir, mirrorDir)
	fresh := place + ".new"
	if err := os.RemoveAll(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s.logger.Info("copying the log of another hub")
	if err := readSnapshot(body, fresh); err != nil {
		return nil, err
	}
	return func() (eventlog.Mirror, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.mirror.Close(); err != nil {
			s.logger.Warn("closing the log that a copy replaces", "error", err.Error())
		}
		if err := replaceDir(fresh, place); err != nil {
			return nil, err
		}
		mirror, err := s.openMirror()
		if err == nil {
			s.mirror = mirror
			s.logger.Info("this hub continues with a copy of another hub's log", "head", mirror.Head().String())
		}
		return mirror, err
	}, nil
}
