package disklog

import (
	"hash/maphash"
	"sync/atomic"
)

// marks gives, for each topic, a number after which it has no records, and a number after which it has lost none. Most reads need
// no more, and then do not read from the store. Topics share marks by hash, so that memory is constant. An answer may be too high,
// never too low.
type marks struct {
	seed   maphash.Seed
	before struct{ last, trimmed uint64 } // bounds for all topics from before the store was opened
	slots  [marksSize]mark
}

// marksSize makes 2 MiB of marks. With a hundred busy topics, one answer in a thousand is too high because of a shared mark. Marks
// begin as zero, so that untouched memory is not allocated by the system.
const marksSize = 1 << 17

type mark struct {
	last    atomic.Uint64 // no topic of this mark has a record after it or before.last, whichever is higher
	trimmed atomic.Uint64 // no topic of this mark lost one after it or before.trimmed, whichever is higher
}

// newMarks returns marks with bounds for the records that are already in the store.
func newMarks(last, trimmed uint64) *marks {
	m := &marks{seed: maphash.MakeSeed()}
	m.before.last, m.before.trimmed = last, trimmed
	return m
}

// last returns a number after which a topic has no record.
func (m *marks) last(topic string) uint64 { return max(m.before.last, m.of(topic).last.Load()) }

// trimmed returns a number after which a topic has lost none.
func (m *marks) trimmed(topic string) uint64 {
	return max(m.before.trimmed, m.of(topic).trimmed.Load())
}

func (m *marks) of(topic string) *mark {
	return &m.slots[maphash.String(m.seed, topic)%marksSize]
}

// raise sets a mark unless it is higher already. Calls for the same mark must not overlap.
func raise(v *atomic.Uint64, to uint64) {
	if v.Load() < to {
		v.Store(to)
	}
}
