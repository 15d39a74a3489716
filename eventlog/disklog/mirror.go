package disklog

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// AppendAt implements eventlog.Mirror.
func (l *Log) AppendAt(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	if err := eventlog.CheckBatch(records); err != nil {
		return nil, err
	}
	if err := eventlog.CheckPlaced(0, records); err != nil { // whether they are above the head the committer sees
		return nil, err
	}
	if len(records) == 0 {
		return nil, l.closedError()
	}
	r := prepare(detach(records))
	r.given = true
	return l.wait(ctx, r)
}

func invalidSeq(seq uint64, reason string) error {
	return &eventlog.InvalidError{What: "sequence number", Value: fmt.Sprint(seq), Reason: reason}
}

// checkGiven returns an error if the records of a request are not above the head.
func (c *commit) checkGiven(r *request) error {
	return eventlog.CheckPlaced(c.store.head.seq, r.records[:1])
}

// Skip implements eventlog.Mirror.
func (l *Log) Skip(ctx context.Context, to uint64, reason eventlog.Reason) error {
	return l.inTurn(ctx, false, func(s *store) error {
		switch {
		case to <= s.head.seq || to > eventlog.MaxSeq:
			return invalidSeq(to, fmt.Sprintf("it has to be above the head, %d, and at most 2^62", s.head.seq))
		case reason == "":
			return &eventlog.InvalidError{What: "reason", Reason: "it is empty"}
		}
		return s.skip(hole{s.head.seq + 1, to, reason})
	})
}

// inTurn waits until the committer has called f with nothing else on its way, and if alone is set with nobody reading.
func (l *Log) inTurn(ctx context.Context, alone bool, f func(*store) error) error {
	_, err := l.wait(ctx, &request{exclusive: f, alone: alone, done: make(chan struct{})})
	return err
}

// skip makes a hole after the head, and is done when that is on disk.
func (s *store) skip(h hole) error {
	return s.apply(func(b *pebble.Batch) error {
		s.head.seq = h.to
		err := errors.Join(s.addHole(b, h), b.Set([]byte(metaHead), s.head.value(), nil))
		if s.lease < s.head.seq {
			s.lease = s.head.seq
			err = errors.Join(err, b.Set([]byte(metaLease), appendNumbers(nil, s.lease), nil))
		}
		return err
	})
}

// loseUpTo makes a hole up to a number that readers have seen.
func (s *store) loseUpTo(to uint64) error { return s.skip(hole{s.head.seq + 1, to, eventlog.Rollback}) }

// apply writes a batch and waits for it to be on disk.
func (s *store) apply(fill func(*pebble.Batch) error) error {
	b := s.db.NewBatch()
	err := fill(b)
	if err == nil {
		err = s.db.Apply(b, pebble.Sync)
	}
	return errors.Join(err, b.Close())
}
