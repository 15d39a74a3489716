package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// appendTimeout limits how long an append may take. Appends share contexts (see sharedTimeout), which shortens it by up to a second.
const appendTimeout = time.Minute

// append stores records that have arrived in full. It does not use the context of the request, which ends when the client disconnects or
// closes its side of the connection. Otherwise events that have arrived, or their receipts, would be lost.
func (h *Hub) append(records []eventlog.Record) ([]eventlog.Receipt, error) {
	ctx := h.appending.context()
	receipts, err := h.log.Append(ctx, records)
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errGivenUp) {
		return nil, eventlog.ErrUnknown
	}
	return receipts, err
}

// GiveUpAppends ends all appends that are under way or begin later, for a hub that stops because its log no longer answers. Their publishers are told that
// it is not known whether the events are stored.
func (h *Hub) GiveUpAppends() { h.appending.giveUp() }

// errGivenUp is why contexts of appends end early.
var errGivenUp = errors.New("hub: the log no longer answers, and the hub stops")

// sharedTimeout is one context for all appends that begin within a second. A context for each append costs as much as the rest of the
// hub's work for a small event.
type sharedTimeout struct {
	mu    sync.Mutex // guards the following
	ctx   context.Context
	began time.Time
	all   context.Context // parent of all contexts; nil before the first
	end   context.CancelCauseFunc
}

func (s *sharedTimeout) context() context.Context {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || now.Sub(s.began) > time.Second {
		ctx, cancel := context.WithTimeout(s.parent(), appendTimeout)
		context.AfterFunc(ctx, cancel) // not earlier: other appends share it
		s.ctx, s.began = ctx, now
	}
	return s.ctx
}

// parent returns the parent of all contexts. The caller holds the lock.
func (s *sharedTimeout) parent() context.Context {
	if s.all == nil {
		s.all, s.end = context.WithCancelCause(context.Background())
	}
	return s.all
}

// giveUp ends all contexts, also later ones.
func (s *sharedTimeout) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parent()
	s.end(errGivenUp)
}
