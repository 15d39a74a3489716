package ordertest

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Lose drops the newest n messages, as a failover to a replica that is behind does. With newIdentity the order says that
// another server has taken over. Lose returns the messages.
func (m *Memory) Lose(n int, newIdentity bool) []cluster.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	keep := len(m.messages) - max(0, min(n, len(m.messages)))
	var lost []cluster.Message
	for _, s := range m.messages[keep:] {
		lost = append(lost, s.Message)
		delete(m.known, s.ID)
		m.oldest = slices.DeleteFunc(m.oldest, func(id cluster.ID) bool { return id == s.ID })
	}
	m.messages = m.messages[:keep:keep]
	if newIdentity {
		m.identity++
	}
	m.notify()
	return lost
}

// Delete deletes the order.
func (m *Memory) Delete() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missing, m.messages = true, nil
	m.notify()
}

// Trim drops the messages before a number, but never the newest one.
func (m *Memory) Trim(first uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first = min(first, m.last()); !m.missing && first > m.first {
		m.messages = slices.Clone(m.messages[first-m.first:])
		m.first = first
		m.notify()
	}
}

// Hole drops the messages from one number to another, as a damaged block does.
func (m *Memory) Hole(from, to uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.messages {
		if s := &m.messages[i]; s.Seq >= from && s.Seq <= to && s.Seq < m.last() {
			s.gone, s.Data = true, nil
		}
	}
	m.notify()
}

// Damage cuts off a stored message, for all who read it. It does nothing if the order does not have the message.
func (m *Memory) Damage(seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.check(seq, 0) == nil {
		data := m.messages[seq-m.first].Data
		m.messages[seq-m.first].Data = bytes.Clone(data[:len(data)/2])
	}
}

// MoveClock changes the order's clock by d.
func (m *Memory) MoveClock(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock += d
}

// Saved is a copy of an order.
type Saved struct {
	first    uint64
	messages []slot
	known    map[cluster.ID]time.Time
	oldest   []cluster.ID
}

// Save copies the order.
func (m *Memory) Save() Saved {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Saved{m.first, slices.Clone(m.messages), maps.Clone(m.known), slices.Clone(m.oldest)}
}

// Restore replaces the order by an older copy, as from a backup. Its identity stays.
func (m *Memory) Restore(s Saved) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missing, m.first, m.messages, m.known, m.oldest = false, s.first, slices.Clone(s.messages), maps.Clone(s.known), slices.Clone(s.oldest)
	m.notify()
}
