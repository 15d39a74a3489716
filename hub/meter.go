package hub

import "io"

// meter is a reader that takes memory from the budget for what it hands on, before it reads it. Whoever looks for the end of an event keeps
// what it has seen, in a buffer that doubles, up to the size of the largest event: twice the bytes since the last event are taken.
//
// The first uncounted bytes of memory are free. Of a body that comes fast the meter reads more at once, if there is memory for that. So small
// events come in also when there is none.
type meter struct {
	in   io.Reader
	most int64 // bytes that are kept of an event
	take func(int64) error
	rent *rent

	come int64 // bytes since the last event
	held int64 // memory that was taken
	fast bool  // the last read had as many bytes as it could, or many
	full bool  // since that read there was no memory for more
}

// meterStep is how much memory a meter takes at once.
const meterStep = 64 << 10

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (n int, err error) {
	room := m.room()
	if room <= 0 {
		if err := m.more(m.take); err != nil {
			return 0, err
		}
		room = m.room()
	}
	p = p[:min(int64(len(p)), room)]
	n, err = m.in.Read(p)
	m.come += int64(n)
	m.fast, m.full = n == len(p) || n >= uncounted, false
	return n, err
}

// room returns how many more bytes there is memory for.
func (m *meter) room() int64 {
	covered := max(m.held, uncounted) / 2
	if covered >= m.most {
		return 1 << 62 // whoever keeps more than that refuses it
	}
	return covered - m.come
}

// more takes memory for a step.
func (m *meter) more(take func(int64) error) error {
	n := int64(meterStep)
	if m.held == 0 {
		n += uncounted // which the rent does not count
	}
	err := take(n)
	if err == nil {
		m.held += n
	}
	return err
}

// fastMemory is what a meter keeps of its memory while a body comes fast: it covers [wideBuffer].
const fastMemory = uncounted + 2*meterStep

// renew says that what has come is an event, or was dropped.
func (m *meter) renew() {
	m.come = 0
	switch {
	case m.fast && m.held < fastMemory:
		m.full = m.full || m.more(m.rent.take) != nil
	case m.fast:
		m.keep(fastMemory)
	default:
		m.keep(0)
	}
}

// keep gives back memory beyond n.
func (m *meter) keep(n int64) {
	if m.held > n {
		m.rent.giveBack(m.held - n)
		m.held = n
	}
}

// wide reports whether there is memory for a buffer of [wideBuffer].
func (m *meter) wide() bool { return m.fast && m.held >= fastMemory }
