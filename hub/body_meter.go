package hub

import "io"

// meter is a reader that reserves memory in the budget for bodies before it reads. Its consumer keeps the bytes of an incomplete event in a
// buffer that doubles, up to the size of the largest event. So the meter reserves twice the bytes since the last event.
//
// The first bytes (uncounted) are free, so that small events are accepted even when no memory is left. For a fast body the meter reserves
// more, if there is memory, and reads more at once.
type meter struct {
	in   io.Reader
	most int64 // bytes of the largest event that the consumer keeps
	take func(int64) error
	rent *rent

	arrived int64 // bytes since the last event
	held    int64 // reserved memory
	fast    bool  // the last read filled its buffer, or returned many bytes
	full    bool  // since that read no more memory was available
}

// meterStep is how much memory a meter reserves at once.
const meterStep = 64 << 10

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (n int, err error) {
	available := m.available()
	if available <= 0 {
		if err := m.more(m.take); err != nil {
			return 0, err
		}
		available = m.available()
	}
	p = p[:min(int64(len(p)), available)]
	n, err = m.in.Read(p)
	m.arrived += int64(n)
	m.fast, m.full = n == len(p) || n >= uncounted, false
	return n, err
}

// available returns how many more bytes fit into the reserved memory.
func (m *meter) available() int64 {
	covered := max(m.held, uncounted) / 2
	if covered >= m.most {
		return 1 << 62 // the consumer refuses larger events itself
	}
	return covered - m.arrived
}

// more reserves memory for a step.
func (m *meter) more(take func(int64) error) error {
	n := int64(meterStep)
	if m.held == 0 {
		n += uncounted // these bytes do not count
	}
	err := take(n)
	if err == nil {
		m.held += n
	}
	return err
}

// fastMemory is the memory that a meter keeps between events of a fast body. It is enough for a buffer of [wideBuffer].
const fastMemory = uncounted + 2*meterStep

// renew starts a new event: the bytes so far have become an event, or were dropped.
func (m *meter) renew() {
	m.arrived = 0
	switch {
	case m.fast && m.held < fastMemory:
		m.full = m.full || m.more(m.rent.take) != nil
	case m.fast:
		m.keep(fastMemory)
	default:
		m.keep(0)
	}
}

// keep releases memory beyond n bytes.
func (m *meter) keep(n int64) {
	if m.held > n {
		m.rent.giveBack(m.held - n)
		m.held = n
	}
}

// wide reports whether there is memory for a buffer of [wideBuffer].
func (m *meter) wide() bool { return m.fast && m.held >= fastMemory }
