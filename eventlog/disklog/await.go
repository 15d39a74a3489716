package disklog

import (
	"context"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// signal wakes all goroutines that wait for it.
type signal struct {
	mu sync.Mutex
	c  chan struct{} // closed by send; nil: no goroutine waits
}

// wait returns a channel that the next send closes.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}

// Await implements eventlog.Awaiter.
func (l *Log) Await(ctx context.Context, p eventlog.Position) error {
	for {
		moved := l.moved.wait() // before the check, so that no signal is missed
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.closedError(); err != nil {
			return err
		}
		if head := l.Head(); !l.opts.Mirror || p.IsZero() || p.Gen == head.Gen && p.Seq <= head.Seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
