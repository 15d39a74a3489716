package cluster

import (
	"context"
	"fmt"

	"github.com/tidings-sse/tidings/eventlog"
)

// replace replaces the mirror by a copy of another hub's. It returns errAgain if it has done so.
func (f *follower) replace(ctx context.Context, after uint64) error {
	if f.o.Snapshot == nil {
		return ErrNoSnapshot
	}
	replace, err := f.o.Snapshot(ctx, after)
	if err != nil {
		return err
	}
	f.swap.Lock()
	defer f.swap.Unlock()
	mirror, err := replace()
	if err != nil {
		f.fail(fmt.Errorf("cluster: the log of this hub cannot be replaced by that of another hub: %w", err))
		return eventlog.ErrClosed
	}
	f.mirror, f.dirty, f.wanted, f.doubted = mirror, true, nil, mark{}
	f.copies.Add(1)
	f.results.clear()
	f.show(func(v *view) { v.changes, v.audited, v.stray = v.changes+1, audited{}, false })
	f.wake()
	return errAgain
}

// Join waits until the hub has joined its cluster: it has all messages that the order had when it started, and its settings are those of
// the cluster. A *SettingsError and other errors that need an administrator come at once; so does ErrClosed.
func (l *Log) Join(ctx context.Context) error {
	return l.until(ctx, func(v *view) bool { return v.joined })
}

// joins checks the settings of a hub that has all messages for the first time.
func (l *Log) joins(v *view) error {
	if l.mine == nil || v.settings == nil {
		return nil
	}
	return differ(l.mine, v.settings)
}
