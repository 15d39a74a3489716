package disklog

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Damage in a part of a mirror that no reader asks for would stay unnoticed, perhaps until the other mirrors are gone. So a mirror reads
// itself once after it was opened, in the background: in small parts with pauses, which leave the disk to others.
const (
	scrubBytes = 1 << 20
	scrubPause = 10 * time.Millisecond
)

// Checked implements [eventlog.Checker]. A log that is not a mirror does not read itself, and is never done.
func (l *Log) Checked() (done, damaged bool) {
	s, err := l.hold(context.Background())
	if err != nil {
		return l.whole.Load(), false
	}
	defer s.release()
	return l.whole.Load(), s.damage.found.Load()
}

// scrub reads every block that a reader could need, until it meets damage.
func (l *Log) scrub(ctx context.Context) {
	for key := []byte(nil); ; {
		next, err := l.scrubFrom(ctx, key)
		if ctx.Err() != nil {
			return
		}
		if err != nil || next == nil {
			break // Checked reports damage; after another error there is nothing more to read
		}
		key = next
		select {
		case <-time.After(scrubPause):
		case <-ctx.Done():
			return
		}
	}
	l.whole.Store(true)
}

// scrubFrom reads some keys from one on, and returns the next one; nil if there is none.
func (l *Log) scrubFrom(ctx context.Context, from []byte) (next []byte, err error) {
	s, err := l.use(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from})
	if err == nil {
		size := 0
		for ok := it.First(); ok && size < scrubBytes; ok = it.Next() {
			var value []byte
			if value, err = it.ValueAndErr(); err != nil {
				break
			}
			size += len(it.Key()) + len(value)
		}
		if err == nil && it.Valid() {
			next = append(next, it.Key()...)
		}
		err = errors.Join(err, it.Error(), it.Close())
	}
	if isCorrupt(err) {
		s.damage.found.Store(true)
	}
	return next, err
}
