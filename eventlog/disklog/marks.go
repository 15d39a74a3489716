package disklog

import (
	"hash/maphash"
	"sync/atomic"
)

// marks answers most questions about a topic without looking it up: after which number has it nothing new, and
// after which has it lost nothing? Topics share marks by hash, so that the memory is the same for any number of them, and
// an answer may be too careful but never wrong.
type marks struct {
	seed   maphash.Seed
	before struct{ last, trimmed uint64 } // what may be true of any topic, as nothing is known yet of what was before
	slots  [marksSize]mark
}

// marksSize makes 2 MiB of marks, and one in a thousand wrong guesses with a hundred topics that are busy. They begin as zero,
// so that the system gives memory to those only that are raised.
const marksSize = 1 << 17

type mark struct {
	last    atomic.Uint64 // no topic here has a record after it, nor after before.last
	trimmed atomic.Uint64 // no topic here has lost one after it, nor after before.trimmed
}

// newMarks returns marks that know nothing yet of what was before.
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

// raise sets a mark, if it is not higher. Those who set the same one take turns.
func raise(v *atomic.Uint64, to uint64) {
	if v.Load() < to {
		v.Store(to)
	}
}
