package disklog

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// Apply implements eventlog.Mirror.
//
// All batches of a call are one batch of the store, whatever their size. With [SyncInterval], the default of a mirror, Apply returns before
// it is on disk.
func (l *Log) Apply(ctx context.Context, batches []eventlog.Batch, state func([]eventlog.Outcome) []byte) ([]eventlog.Outcome, error) {
	if err := l.follows(); err != nil {
		return nil, err
	}
	if err := eventlog.CheckApply(0, batches); err != nil { // the committer checks that they are above the head
		return nil, err
	}
	g := &given{batches: slices.Clone(batches), state: state}
	for i := range batches {
		b := &batches[i]
		part, refused := &request{}, eventlog.CheckBatch(b.Records)
		switch {
		case refused != nil:
			part.err = refused
		case len(b.Encoded) == len(b.Records):
			part.records, part.encoded = b.Records, b.Encoded
			part.hash()
		default:
			part = prepare(b.Records)
		}
		g.parts = append(g.parts, part)
	}
	if _, err := l.wait(ctx, &request{given: g, done: make(chan struct{})}); err != nil {
		return nil, err
	}
	return g.outcomes(), nil
}

// outcomes returns the outcome of each batch.
func (g *given) outcomes() []eventlog.Outcome {
	outcomes := make([]eventlog.Outcome, len(g.parts))
	for i, part := range g.parts {
		outcomes[i] = eventlog.Outcome{Receipts: part.receipts, Err: part.err}
	}
	return outcomes
}

// follows returns an error if the log is not a mirror, has no generation, or is closed.
func (l *Log) follows() error {
	switch {
	case !l.opts.Mirror:
		return errors.Join(l.closedError(), eventlog.ErrNotMirror)
	case l.queue.isClosed():
		return eventlog.ErrClosed
	}
	return l.begun()
}

// begun returns an error if the log is a mirror without a generation.
func (l *Log) begun() error {
	if l.Head().Gen == "" {
		return eventlog.ErrNoGeneration
	}
	return nil
}

// apply decides on the batches of a request of Apply, and adds what they store to the commit.
func (c *commit) apply(r *request) error {
	s, g := c.store, r.given
	if refused := eventlog.CheckApply(s.head.seq, g.batches); refused != nil {
		r.err = refused
		return nil //nolint:nilerr // the commit has other requests
	}
	for i := range g.batches {
		b, part := &g.batches[i], g.parts[i]
		c.now = max(s.head.time, uint64(b.Time.UnixMilli()))
		last := max(s.head.seq, b.First+uint64(len(b.Records))-1)
		if part.err == nil {
			s.head.seq = b.First - 1
			refused, err := c.add(part)
			if _, decided := errors.AsType[*eventlog.RecordError](refused); refused != nil && !decided {
				err = errors.Join(err, refused) // other mirrors can read what this one cannot
			}
			if err != nil {
				return err
			}
			part.err = refused
		}
		s.head.seq = last
	}
	c.applied = true
	if g.state == nil {
		return nil
	}
	return c.batch.Set([]byte(metaState), eventlog.NewState(g.state, g.outcomes()), nil)
}

// State implements eventlog.Mirror.
func (l *Log) State(ctx context.Context) ([]byte, error) {
	if !l.opts.Mirror {
		return nil, errors.Join(l.closedError(), eventlog.ErrNotMirror)
	}
	s, err := l.use(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	state, err := s.get([]byte(metaState))
	return state, typed(err)
}

// Skip implements eventlog.Mirror.
func (l *Log) Skip(ctx context.Context, to uint64, reason eventlog.Reason) error {
	return l.inTurn(ctx, func() error { return l.skip(to, reason) })
}

// skip is the part of Skip that the committer runs.
func (l *Log) skip(to uint64, reason eventlog.Reason) error {
	s, err := l.writable()
	if err != nil {
		return err
	}
	defer s.release()
	l.turn.Lock()
	defer l.turn.Unlock()
	if s.gen == "" {
		return eventlog.ErrNoGeneration
	}
	if err := eventlog.CheckSkip(s.head.seq, to, reason); err != nil {
		return err
	}
	if err := s.skip(hole{s.head.seq + 1, to, reason}); err != nil {
		return err
	}
	if failed := s.db.Err(); failed != nil {
		return broken(failed)
	}
	l.publish(s.position())
	return nil
}

// skip adds a hole after the head, durably, before readers can see it.
func (s *store) skip(h hole) error {
	var holes []hole
	err := s.apply(func(b *pebble.Batch) (err error) {
		s.head.seq = h.to
		holes, err = s.addHole(b, h)
		err = errors.Join(err, b.Set([]byte(metaHead), s.head.value(), nil))
		if s.lease < s.head.seq && !s.mirror {
			s.lease = s.head.seq
			err = errors.Join(err, b.Set([]byte(metaLease), appendNumbers(nil, s.lease), nil))
		}
		return err
	})
	if err == nil && !s.db.Failed() {
		s.holes.Store(&holes)
	}
	return err
}

// loseUpTo adds a hole up to a number that readers have seen.
func (s *store) loseUpTo(to uint64) error { return s.skip(hole{s.head.seq + 1, to, eventlog.Rollback}) }

// apply writes a batch and waits until it is on disk.
func (s *store) apply(fill func(*pebble.Batch) error) error {
	b := s.db.NewBatch()
	err := fill(b)
	if err == nil {
		err = s.db.Apply(b, pebble.Sync)
	}
	return errors.Join(err, b.Close())
}
