package disklog

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// loadMirror is load for a mirror. It begins no generation and reports no loss: records that are missing at the end arrive again
// from the shared log. The directory may also be a copy.
func (s *store) loadMirror() error {
	gen, err := s.get([]byte(metaGeneration))
	if err == nil {
		s.gen = string(gen)
		err = s.loadMeta()
	}
	if err == nil {
		err = s.loadRetention()
	}
	if err == nil {
		err = s.resume()
	}
	if err == nil {
		err = s.buildEnds()
	}
	if err != nil {
		return err
	}
	s.lease = s.head.seq
	s.marks = newMarks(s.head.seq, s.trim.Load().trimmed)
	s.topics.init()
	if err := s.forgetAcknowledged(); err != nil { // of the single log that it was
		return err
	}
	return s.apply(func(b *pebble.Batch) error {
		s.head.synced = 0
		return errors.Join(
			b.Set([]byte(metaGeneration), []byte(s.gen), nil),
			b.Set([]byte(metaLease), appendNumbers(nil, s.lease), nil),
			b.Set([]byte(metaHead), s.head.value(), nil),
			b.Set([]byte(metaTrim), s.trim.Load().value(), nil))
	})
}
