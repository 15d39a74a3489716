package disklog

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// AppendAt implements eventlog.Mirror.
func (l *Log) AppendAt(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	if err := eventlog.CheckBatch(records); err != nil {
		return nil, err
	}
	if err := eventlog.CheckPlaced(0, records); err != nil { // the committer checks that they are above the head
		return nil, err
	}
	if len(records) == 0 {
		return nil, l.closedError()
	}
	r := prepare(detach(records))
	r.given = true
	return l.wait(ctx, r)
}

// checkGiven returns an error if the records of a request are not above the head.
func (c *commit) checkGiven(r *request) error {
	return eventlog.CheckPlaced(c.store.head.seq, r.records[:1])
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
		if s.lease < s.head.seq {
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
