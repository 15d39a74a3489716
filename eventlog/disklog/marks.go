package disklog

import (
	"hash/maphash"
	"sync/atomic"
)

// marks answers most questions about a topic without looking it up: after which number has it nothing new, and
// after which has it lost nothing? Topics share marks by hash, so that the memory is the same for any number of them, and
// an answer may be too careful but never wrong.
type marks struct {
	seed  maphash.Seed
	slots [marksSize]mark
}

// marksSize makes 2 MiB of marks, and one in a thousand wrong guesses with a hundred topics that are busy.
const marksSize = 1 << 17

type mark struct {
	last    atomic.Uint64 // no topic here has a record after it
	trimmed atomic.Uint64 // no topic here has lost one after it
}

// newMarks returns marks that know nothing yet of what was before.
func newMarks(last, trimmed uint64) *marks {
	m := &marks{seed: maphash.MakeSeed()}
	for i := range m.slots {
		m.slots[i].last.Store(last)
		m.slots[i].trimmed.Store(trimmed)
	}
	return m
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
