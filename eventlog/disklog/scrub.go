package disklog

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// Damage in a part of a mirror that no reader asks for would stay unnoticed, perhaps until the other mirrors are gone. So a mirror reads
// itself once after it was opened, in the background: in small parts with pauses, which leave the disk to others.
const (
	scrubBytes  = 1 << 20
	scrubPause  = 10 * time.Millisecond
	scrubRetry  = time.Second // the first pause after an error that is not damage; it doubles
	scrubAtMost = time.Minute
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

// scrub reads every block that a reader could need, until it meets damage. After other errors, such as that of a disk that does not answer for a
// while, it tries again.
func (l *Log) scrub(ctx context.Context) {
	pause := scrubPause
	for key := []byte(nil); ; {
		next, err := l.scrubFrom(ctx, key)
		switch {
		case ctx.Err() != nil, errors.Is(err, eventlog.ErrClosed):
			return
		case isCorrupt(err), err == nil && next == nil: // Checked reports the damage
			l.whole.Store(true)
			return
		case err == nil:
			key, pause = next, scrubPause
		case pause == scrubPause:
			pause = scrubRetry
			l.opts.Logger.Warn("the log cannot read itself at the moment to find damage, and tries again", "dir", l.dir, "err", err.Error())
		default:
			pause = min(2*pause, scrubAtMost)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
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
