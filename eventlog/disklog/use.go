package disklog

import (
	"context"

	"github.com/tidings-sse/tidings/eventlog"
)

// Whoever works with the store holds it. Whoever replaces it takes it away first, and waits for those who hold it; who wants
// it meanwhile waits until it is put back, and no longer than its context lets it. Nobody waits for a lock while another
// one reads.

// use returns the store for a call from outside, who releases it as soon as it is not needed any more.
func (l *Log) use(ctx context.Context) (*store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.queue.isClosed() {
		return nil, eventlog.ErrClosed
	}
	return l.hold(ctx)
}

// hold is use for the log itself, which goes on for a while after Close has begun.
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

// release gives back what use or hold has returned.
func (s *store) release() { s.users.Done() }

// take takes the store away, when nobody holds it any more. It is nil if there was none. Until put nobody else takes it.
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

// put puts a store in place; or none, and why.
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
