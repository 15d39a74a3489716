package disklog

import (
	"context"
	"math"
	"sync/atomic"
)

// unread counts the records that are known to be unreadable.
type unread struct {
	events, bytes atomic.Int64
	damage        uint64 // damage.changes at the time of the count; used by the trimmer
}

// count returns the number and size of the records, without those that are known to be unreadable.
func (s *store) count() (events, bytes int64) {
	return s.events.Load() - s.unread.events.Load(), s.bytes.Load() - s.unread.bytes.Load()
}

// stale reports whether damage was found since unread was counted.
func (s *store) stale() bool { return s.damage.changes.Load() != s.unread.damage }

// recount counts the unreadable records again, if damage was found since the last count. They stay in the store, and must not take
// the place of others when the log is over its limits.
func (s *store) recount(ctx context.Context) (err error) {
	if !s.stale() {
		return nil
	}
	v, err := s.view(math.MaxUint64)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := v.close(); err == nil {
			err = closeErr
		}
	}()
	value, _, err := v.find([]byte(metaHead))
	if err != nil {
		return err
	}
	head, err := decodeHeadMeta(value)
	if err != nil {
		return err
	}
	v.head = head.seq
	events, bytes := int64(head.events-v.trim.events), int64(head.bytes-v.trim.bytes)
	ev := v.events(ctx)
	for ok := ev.record(ev.seekGE(v.trim.first)); ok; ok = ev.record(ev.next()) {
		if r, err := decodeRecord(ev.seq, ev.value); err == nil {
			events--
			bytes -= int64(r.Size())
		}
	}
	if ev.err != nil {
		return ev.err
	}
	s.unread.events.Store(events)
	s.unread.bytes.Store(bytes)
	s.unread.damage = s.damage.changes.Load() // includes damage found during the count
	return nil
}
