package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
)

// damagedDir is where a copy of the shared log that cannot be opened stays until the hub has joined its cluster with another one.
const damagedDir = mirrorDir + ".damaged"

// copies reports whether this hub can take copies of other hubs' logs.
func (s *sharedLog) copies() bool { return s.member.Key != nil && len(s.flags.ClusterPeers) != 1 }

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
	o := &disklog.Options{Mirror: true, Retention: s.flags.retention(), Logger: s.logger, Reserve: cmp.Or(int64(s.flags.MinFree), -1), Files: currentShare().tables}
	log, err := disklog.Open(place, o)
	unusable, ok := errors.AsType[*disklog.DirError](err)
	if !ok || !unusable.Damaged() || !s.copies() {
		return log, whenInUse(err)
	}
	aside := filepath.Join(s.dir, damagedDir)
	s.logger.Error("this hub's copy of the shared log is damaged; the hub sets it aside until it has a new one from its cluster; check the disk",
		"aside", aside, "err", unusable.Err.Error())
	if err := errors.Join(os.RemoveAll(aside), os.Rename(place, aside), syncDir(s.dir)); err != nil {
		return nil, err
	}
	log, err = disklog.Open(place, o)
	return log, whenInUse(err)
}

// dropDamaged removes the copy that was set aside, once this hub has everything again. Otherwise it may have the only copy of some events.
func (s *sharedLog) dropDamaged() error {
	if s.log.Details().Gap {
		return nil
	}
	return os.RemoveAll(filepath.Join(s.dir, damagedDir))
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
