package hub

import (
	"context"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// appendTimeout is how long the log may take for what is appended, up to a second less.
const appendTimeout = time.Minute

// append stores what has come whole, also when its sender goes meanwhile. With the connection ends the context of the request, and
// with that events would be lost that came before a break, or an answer for one who has only ended what it sends.
func (h *Hub) append(records []eventlog.Record) ([]eventlog.Receipt, error) {
	return h.log.Append(h.appending.context(), records)
}

// sharedTimeout is the context of all who begin to append within a second. One of its own for each costs as much as all else that the hub
// does with a small event.
type sharedTimeout struct {
	mu    sync.Mutex // guards the following
	ctx   context.Context
	began time.Time
}

func (s *sharedTimeout) context() context.Context {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || now.Sub(s.began) > time.Second {
		ctx, cancel := context.WithTimeout(context.Background(), appendTimeout)
		context.AfterFunc(ctx, cancel) // not before: others use it
		s.ctx, s.began = ctx, now
	}
	return s.ctx
}
