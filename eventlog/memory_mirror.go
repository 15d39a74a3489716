package eventlog

import (
	"context"
	"slices"
	"time"
)

// Apply implements [Mirror]. It fails with *InvalidError, *SizeError, [ErrNotMirror], [ErrNoGeneration], [ErrClosed] and the error of
// the context.
func (m *Memory) Apply(ctx context.Context, batches []Batch, state func([]Outcome) []byte) ([]Outcome, error) {
	uses, refused := make([][]*keyUse, len(batches)), make([]error, len(batches))
	for i := range batches {
		if refused[i] = CheckBatch(batches[i].Records); refused[i] == nil {
			uses[i] = keyUses(batches[i].Records)
		}
	}
	now := m.now()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.follows(ctx); err != nil {
		return nil, err
	}
	if err := CheckApply(m.head, batches); err != nil {
		return nil, err
	}
	m.expire(now)
	outcomes, head := make([]Outcome, len(batches)), m.head
	for i := range batches {
		b, o := &batches[i], &outcomes[i]
		if o.Err = refused[i]; o.Err == nil {
			o.Receipts, o.Err = m.add(b.Records, uses[i], b.First-1, max(b.Time.UnixMilli(), m.last))
		}
		m.head = max(m.head, b.last())
	}
	if state != nil {
		m.state = NewState(state, outcomes)
	}
	if m.head != head {
		m.wake()
	}
	return outcomes, nil
}

// follows returns an error if the log is not a mirror, has no generation, or was closed, or if ctx has ended.
func (m *Memory) follows(ctx context.Context) error {
	switch {
	case !m.mirror:
		return ErrNotMirror
	case m.gen == "" && !m.closed:
		return ErrNoGeneration
	}
	return m.endError(ctx)
}

// SetClock implements [Mirror].
func (m *Memory) SetClock(now func() time.Time) { m.clock.Store(&now) }

// State implements [Mirror].
func (m *Memory) State(ctx context.Context) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.mirror {
		return nil, ErrNotMirror
	}
	return slices.Clone(m.state), m.endError(ctx)
}

// Skip implements [Mirror]. It fails with *InvalidError, [ErrNoGeneration], [ErrClosed] and the error of the context.
func (m *Memory) Skip(ctx context.Context, to uint64, reason Reason) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.endError(ctx); err != nil {
		return err
	}
	if m.gen == "" {
		return ErrNoGeneration
	}
	if err := CheckSkip(m.head, to, reason); err != nil {
		return err
	}
	if n := len(m.holes); n > 0 && m.holes[n-1].to == m.head && m.holes[n-1].reason == reason {
		m.holes[n-1].to = to
	} else {
		m.holes = append(m.holes, hole{m.head, to, reason})
	}
	if len(m.holes) > maxHoles {
		m.holes[1].from = m.holes[0].from
		m.holes = slices.Delete(m.holes, 0, 1)
	}
	m.head = to
	m.wake()
	return nil
}

// SetGeneration implements [Mirror]. It fails with *InvalidError if after is above the head, with [ErrClosed] and the error of
// the context.
func (m *Memory) SetGeneration(ctx context.Context, gen string, after uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.endError(ctx); err != nil {
		return err
	}
	if repeated, err := CheckGeneration(m.at(m.head), gen, after); repeated || err != nil {
		return err
	}
	if after < m.head {
		m.cut(after)
	}
	m.gen, m.head = gen, after
	m.wake()
	return nil
}

// SetRetention implements [Mirror]. It fails with *InvalidError, [ErrNotMirror], [ErrClosed] and the error of the context.
func (m *Memory) SetRetention(ctx context.Context, r *Retention) error {
	ret, err := (&MemoryOptions{Retention: r}).retention()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.mirror {
		return ErrNotMirror
	}
	if err := m.endError(ctx); err != nil {
		return err
	}
	m.ret = ret
	m.keys.limit(&ret, m.last)
	m.ends.forget(m.last, 0)
	m.ends.keep(func(end *ending) bool {
		end.age = ret.Rule(end.name).EndAge().Milliseconds()
		return true
	})
	m.ages, m.due, m.full = ages(ret.Rules), 0, 0
	for _, t := range m.topics {
		t.rule = ret.Rule(t.name)
		m.keepNewest(t)
	}
	m.expire(m.now()) // before the limits of the whole log, which then remove fewer records, as in package disklog
	m.trimTotal()
	m.forgetDead()
	m.tidy()
	return nil
}

// Await implements [Awaiter].
func (m *Memory) Await(ctx context.Context, p Position) error {
	for {
		moved, err := m.behind(ctx, p)
		if moved == nil || err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// behind returns a channel that is closed when the head has moved, if the log has to wait for a position; otherwise nil.
func (m *Memory) behind(ctx context.Context, p Position) (moved <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.endError(ctx); err != nil || !m.mirror || p.IsZero() || p.Gen == m.gen && p.Seq <= m.head {
		return nil, err
	}
	if m.moved == nil {
		m.moved = make(chan struct{})
	}
	return m.moved, nil
}

// release makes callers of Await check again.
func (m *Memory) release() {
	if m.moved != nil {
		close(m.moved)
		m.moved = nil
	}
}
