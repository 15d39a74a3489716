package disklog

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// SetGeneration implements eventlog.Mirror.
//
// Dropping a million records takes seconds, during which all other calls wait. If the process ends meanwhile, the next Open finishes
// the job first. If the disk fails or fills up meanwhile, reads fail until it works again, because the store is between two
// generations.
//
// If records to be dropped are damaged, it fails with [eventlog.ErrCorrupt] and changes nothing. With after 0 it drops everything
// without reading, and works in spite of damage.
func (l *Log) SetGeneration(ctx context.Context, gen string, after uint64) error {
	return typed(l.inTurn(ctx, func() error { return l.setGeneration(gen, after) }))
}

func (l *Log) setGeneration(gen string, after uint64) error {
	s, err := l.writable()
	if err != nil {
		return err // checked before other calls have to wait
	}
	repeated, err := eventlog.CheckGeneration(s.position(), gen, after) // the committer, which calls this, alone changes the position
	s.release()
	if repeated || err != nil {
		return err
	}
	if s = l.take(); s == nil {
		err := l.why
		l.put(nil, err)
		return err
	}
	begun, err := s.setGeneration(gen, after)
	if failed := s.db.Err(); begun && failed != nil {
		err = failed
	}
	if err == nil {
		err = s.beginAcknowledged()
	}
	if err == nil {
		l.publish(s.position())
	}
	if err == nil || !begun {
		l.put(s, nil)
		return err
	}
	// The store is between two generations. recoverLoop opens it again and finishes the cut.
	s.db.Fail(err)
	l.put(nil, unopened(errors.Join(err, s.close())))
	return broken(err)
}

// setGeneration reports whether it has begun to change the store.
func (s *store) setGeneration(gen string, after uint64) (begun bool, err error) {
	switch {
	case s.db.Failed():
		return false, refused(s.db.Err())
	case after == 0:
		return true, errors.Join(s.forgetAcknowledged(), s.clear(gen))
	}
	// First read everything that has to be read, so that damage changes nothing.
	if err := s.cut(gen, after, false); err != nil {
		return false, err
	}
	err = errors.Join(s.forgetAcknowledged(), s.apply(func(b *pebble.Batch) error {
		return b.Set([]byte(metaCut), append(appendNumbers(nil, after), gen...), nil)
	}))
	if err != nil {
		return true, err
	}
	return true, s.cut(gen, after, true)
}

var errHalfCut = errors.New("a change of generation was interrupted")

// whole returns an error if a cut was not finished: until then the store is inconsistent.
func (s *store) whole() error {
	if value, err := s.get([]byte(metaCut)); err != nil || value == nil {
		return err
	}
	return errHalfCut
}

// resume finishes a cut that was interrupted.
func (s *store) resume() error {
	value, err := s.get([]byte(metaCut))
	if err != nil || value == nil {
		return err
	}
	var after uint64
	gen, ok := cutNumbers(value, &after)
	if !ok || !eventlog.ValidGeneration(string(gen)) {
		return corrupt("mark of a cut", "its value is invalid")
	}
	return s.cut(string(gen), after, true)
}

// clear removes everything in one small batch.
func (s *store) clear(gen string) error {
	head, meta := headMeta{revivedBytes: 1, ends: 1}, trimMeta{diedBytes: 1}
	if !s.mirror { // a mirror continues like one that never had these records
		head.time = s.head.time
	}
	err := s.apply(func(b *pebble.Batch) error {
		var errs []error
		for _, kind := range []byte{
			kindEvent, kindIndex, kindElsewhere, kindStatus, kindTopic, kindDead, kindKey, kindKeyLine, kindID, kindHole, kindEnd, kindEndLine, kindTime,
		} {
			errs = append(errs, b.DeleteRange([]byte{kind}, []byte{kind + 1}, nil))
		}
		return errors.Join(append(errs, begin(b, gen, head, meta))...)
	})
	if err == nil {
		s.become(gen, head, meta, nil)
	}
	return err
}

// begin writes that a generation begins.
func begin(b *pebble.Batch, gen string, head headMeta, meta trimMeta) error {
	return errors.Join(
		b.Set([]byte(metaGeneration), []byte(gen), nil),
		b.Set([]byte(metaLease), appendNumbers(nil, head.seq), nil), // the old lease was for other numbers
		b.Set([]byte(metaHead), head.value(), nil),
		b.Set([]byte(metaTrim), meta.value(), nil),
		b.Delete([]byte(metaCut), nil))
}

// become updates the state in memory after a generation has begun.
func (s *store) become(gen string, head headMeta, meta trimMeta, holes []hole) {
	s.gen, s.head, s.lease = gen, head, head.seq
	s.trim.Store(&meta)
	s.holes.Store(&holes)
	s.setCounts()
	s.topics.init()
	s.marks = newMarks(head.seq, meta.trimmed)
	s.losses = new(losses)
	s.newest.forget()
	s.damage.forget()
	for _, examined := range []map[time.Duration]uint64{s.examined, s.ended} {
		for age, at := range examined {
			examined[age] = min(at, head.seq+1)
		}
	}
}
