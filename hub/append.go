package hub

import (
	"context"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// appendTimeout limits how long an append may take. Appends share contexts (see sharedTimeout), which shortens it by up to a second.
const appendTimeout = time.Minute

// append stores records that have arrived in full. It does not use the context of the request, which ends when the client disconnects or
// closes its side of the connection. Otherwise events that have arrived, or their receipts, would be lost.
func (h *Hub) append(records []eventlog.Record) ([]eventlog.Receipt, error) {
	return h.log.Append(h.appending.context(), records)
}

// sharedTimeout is one context for all appends that begin within a second. A context for each append costs as much as the rest of the
// hub's work for a small event.
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
		context.AfterFunc(ctx, cancel) // not earlier: other appends share it
		s.ctx, s.began = ctx, now
	}
	return s.ctx
}
