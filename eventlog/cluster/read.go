package cluster

import (
	"context"

	"github.com/tidings-sse/tidings/eventlog"
)

// reading calls f with the mirror. The mirror is not replaced in the meantime.
func reading[T any](l *Log, f func(m eventlog.Mirror) (T, error)) (T, error) {
	l.swap.RLock()
	defer l.swap.RUnlock()
	return f(l.mirror)
}

// Read implements [eventlog.Log], from the mirror.
func (l *Log) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	answer, err := reading(l, func(m eventlog.Mirror) (eventlog.Answer, error) { return m.Read(ctx, q) })
	if err != nil {
		err = l.awaitsCopy(err)
	}
	return answer, err
}

// Seek implements [eventlog.Log], from the mirror.
func (l *Log) Seek(ctx context.Context, s eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	return reading(l, func(m eventlog.Mirror) (eventlog.Query, error) { return m.Seek(ctx, s, from) })
}

// End implements [eventlog.Log], from the mirror.
func (l *Log) End(ctx context.Context, topic string) (eventlog.Position, error) {
	return reading(l, func(m eventlog.Mirror) (eventlog.Position, error) { return m.End(ctx, topic) })
}

// Head implements [eventlog.Log], from the mirror. It is zero until the hub knows the generation of its cluster.
func (l *Log) Head() eventlog.Position {
	l.swap.RLock()
	defer l.swap.RUnlock()
	return l.mirror.Head()
}

// Bounds implements [eventlog.Log], from the mirror.
func (l *Log) Bounds() eventlog.Bounds {
	l.swap.RLock()
	defer l.swap.RUnlock()
	return l.mirror.Bounds()
}

// Watch implements [eventlog.Log].
func (l *Log) Watch() <-chan struct{} { return l.watch }

// Copies implements [eventlog.Copier].
func (l *Log) Copies() uint64 { return l.copies.Load() }

// Lookup implements [eventlog.Lookup], from the mirror. It finds nothing if the mirror does not implement it.
func (l *Log) Lookup(ctx context.Context, id string) (eventlog.Position, bool, error) {
	l.swap.RLock()
	defer l.swap.RUnlock()
	if m, ok := l.mirror.(eventlog.Lookup); ok {
		return m.Lookup(ctx, id)
	}
	return eventlog.Position{}, false, nil
}

// Topics implements [eventlog.Lister], from the mirror. It finds nothing if the mirror does not implement it.
func (l *Log) Topics(ctx context.Context, q eventlog.TopicQuery) ([]eventlog.TopicInfo, error) {
	return reading(l, func(mirror eventlog.Mirror) ([]eventlog.TopicInfo, error) {
		if lister, ok := mirror.(eventlog.Lister); ok {
			return lister.Topics(ctx, q)
		}
		return nil, nil
	})
}

// Storage implements [eventlog.Storer], from the mirror. What survives a crash depends on the shared log.
func (l *Log) Storage() eventlog.Storage {
	l.swap.RLock()
	defer l.swap.RUnlock()
	storage := eventlog.Storage{Free: -1}
	if storer, ok := l.mirror.(eventlog.Storer); ok {
		storage = storer.Storage()
	}
	storage.Durability = eventlog.DurabilityShared
	return storage
}

// Snapshot implements [eventlog.Snapshotter], for other hubs: see [Options.Snapshot]. It fails with [eventlog.ErrUnavailable] while the mirror is
// damaged, or it is not certain that this hub has decided as the others, and has their messages.
func (l *Log) Snapshot(ctx context.Context, dir string) error {
	switch v, _ := l.look(); {
	case v.audited.diverged || v.audited.dispute != nil:
		return &eventlog.UnavailableError{Reason: "this hub may have decided otherwise than the others, and gives no copy of its log", Err: errDisputed}
	case v.stray:
		return &eventlog.UnavailableError{Reason: "the log of this hub is not that of the others, and it gives no copy", Err: v.trouble}
	}
	if l.damaged() {
		return &eventlog.UnavailableError{Reason: "the log of this hub is damaged, and the hub gives no copy of it"}
	}
	l.swap.RLock()
	defer l.swap.RUnlock()
	if m, ok := l.mirror.(eventlog.Snapshotter); ok {
		return m.Snapshot(ctx, dir)
	}
	return &eventlog.InvalidError{What: "call of Snapshot", Reason: "the log of this hub cannot copy itself"}
}
