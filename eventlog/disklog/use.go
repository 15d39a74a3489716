package disklog

import (
	"context"

	"github.com/tidings-sse/tidings/eventlog"
)

// Calls hold the store while they use it. To replace the store, take waits until no call holds it; new calls then wait until put,
// or until their context ends. The store counts its users. A read-write lock would block new readers while a writer waits, even
// after their context has ended.

// use returns the store for a public call. The caller must call release.
func (l *Log) use(ctx context.Context) (*store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.queue.isClosed() {
		return nil, eventlog.ErrClosed
	}
	return l.hold(ctx)
}

// hold is like use, for the log's own goroutines, which continue for a while after Close was called.
func (l *Log) hold(ctx context.Context) (*store, error) {
	for {
		l.mu.Lock()
		s, why, back := l.store, l.why, l.back
		if s != nil {
			s.users.Add(1)
		}
		l.mu.Unlock()
		switch {
		case s != nil:
			return s, nil
		case back == nil:
			return nil, why
		}
		select {
		case <-back:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// release ends a use or hold.
func (s *store) release() { s.users.Done() }

// take waits until no call holds the store, and takes it away. It returns nil if there is none. Other calls of take wait until put.
func (l *Log) take() *store {
	l.taken.Lock()
	l.mu.Lock()
	s := l.store
	l.store, l.back = nil, make(chan struct{})
	l.mu.Unlock()
	if s == nil {
		return nil
	}
	s.users.Wait()
	b := eventlog.Bounds{Head: l.Head()}
	s.bounds(&b)
	l.mu.Lock()
	l.last = b
	l.mu.Unlock()
	return s
}

// put puts a store in place, or nil and the reason.
func (l *Log) put(s *store, why error) {
	l.mu.Lock()
	close(l.back)
	l.store, l.why, l.back = s, why, nil
	l.mu.Unlock()
	l.taken.Unlock()
}

// Bounds implements eventlog.Log.
func (l *Log) Bounds() eventlog.Bounds {
	s, err := l.hold(context.Background())
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.last
	}
	defer s.release()
	b := eventlog.Bounds{Head: l.Head()}
	s.bounds(&b)
	return b
}
