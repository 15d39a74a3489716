package ordertest

import (
	"bytes"
	"context"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Publish implements [cluster.Order].
func (h *Handle) Publish(ctx context.Context, to string, id cluster.ID, data []byte) error {
	c, err := h.begin(ctx)
	if err != nil {
		return err
	}
	switch {
	case h.happens(func(f Faults) float64 { return f.Refused }):
		if err := c.answered(); err != nil {
			return err
		}
		return &cluster.RefusedError{Err: errCut, Later: true}
	case h.happens(func(f Faults) float64 { return f.Late }):
		h.memory.storeLater(h.upTo(5*time.Second), to, id, bytes.Clone(data))
		return c.wait(nil)
	case h.happens(func(f Faults) float64 { return f.Twice }):
		h.memory.storeLater(cluster.DuplicateWindow+time.Second+h.upTo(time.Minute), to, id, bytes.Clone(data))
	}
	refused := h.memory.store(to, id, data)
	if h.happens(func(f Faults) float64 { return f.AnswerLost }) {
		return c.wait(nil)
	}
	if err := c.answered(); err != nil {
		return err
	}
	return refused
}

// Follow implements [cluster.Order].
func (h *Handle) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	c, err := h.begin(ctx)
	if err != nil {
		return err
	}
	for {
		messages, changed, err := h.memory.from(from, 64)
		if h.happens(func(f Faults) float64 { return f.SlowFollow }) {
			if err := c.sleep(h.upTo(3 * time.Second)); err != nil {
				return err
			}
		}
		if err := c.answered(); err != nil {
			return err
		}
		switch {
		case err != nil:
			return err
		case len(messages) == 0:
			if err := c.wait(changed); err != nil {
				return err
			}
			continue
		}
		for i := range messages {
			if data := messages[i].Data; len(data) > 0 && h.happens(func(f Faults) float64 { return f.Damaged }) {
				data[len(data)/2] ^= 1
			}
		}
		if err := take(messages); err != nil {
			return err
		}
		from += uint64(len(messages))
	}
}

// Message implements [cluster.Order].
func (h *Handle) Message(ctx context.Context, seq uint64) (cluster.Message, error) {
	c, err := h.begin(ctx)
	if err != nil {
		return cluster.Message{}, err
	}
	h.memory.mu.Lock()
	var found cluster.Message
	missing := h.memory.check(seq, 0)
	if missing == nil {
		found = h.memory.messages[seq-h.memory.first].Message
		found.Data = bytes.Clone(found.Data)
	}
	h.memory.mu.Unlock()
	if err := c.answered(); err != nil {
		return cluster.Message{}, err
	}
	return found, missing
}

// Bounds implements [cluster.Order].
func (h *Handle) Bounds(ctx context.Context) (cluster.Bounds, error) {
	c, err := h.begin(ctx)
	if err != nil {
		return cluster.Bounds{}, err
	}
	b, missing := h.memory.bounds()
	if err := c.answered(); err != nil {
		return cluster.Bounds{}, err
	}
	return b, missing
}

// Create implements [cluster.Order].
func (h *Handle) Create(ctx context.Context, first uint64) error {
	c, err := h.begin(ctx)
	if err != nil {
		return err
	}
	h.memory.create(first)
	return c.answered()
}

// Broadcast implements [cluster.Order].
func (h *Handle) Broadcast(ctx context.Context, data []byte) error {
	c, err := h.begin(ctx)
	if err != nil {
		return err
	}
	h.memory.mu.Lock()
	handles := h.memory.handles
	h.memory.mu.Unlock()
	for _, other := range handles {
		for _, l := range other.reachable() {
			l.call(bytes.Clone(data))
		}
	}
	return c.connectionError()
}

// reachable returns the listeners that can be reached now.
func (h *Handle) reachable() (all []*listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.from {
		for l := range h.listeners {
			all = append(all, l)
		}
	}
	return all
}

func (l *listener) call(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.f(data)
	}
}

// Listen implements [cluster.Order].
func (h *Handle) Listen(f func(data []byte)) (stop func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	l := &listener{f: f}
	h.listeners[l] = struct{}{}
	return func() {
		h.mu.Lock()
		delete(h.listeners, l)
		h.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.gone = true
	}, nil
}
