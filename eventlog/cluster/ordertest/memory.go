package ordertest

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Memory is an order in memory. Each hub has a [Handle] of its own. Methods of Memory simulate the faults of a real order: they lose
// messages, trim the order, or replace it. All methods are safe for concurrent use.
type Memory struct {
	maxMessage int

	mu       sync.Mutex // guards the following fields
	missing  bool
	late     int // messages that are still under way because of faults
	identity int
	first    uint64
	messages []slot // from number first on
	known    map[cluster.ID]time.Time
	oldest   []cluster.ID // of known, in the order in which they were stored
	clock    time.Duration
	stored   map[uint64]time.Time // when each message was stored, without clock
	created  []uint64             // the first message of each order that was made
	changed  chan struct{}        // closed and replaced at each change
	observe  func(*cluster.Message)
	handles  []*Handle
}

// slot is a stored message, or the hole that it left.
type slot struct {
	cluster.Message
	gone bool
}

// NewMemory returns an order that does not exist yet: [cluster.Order.Create] makes it. maxMessage is the maximum size of a message in
// bytes; 0 means 8 MiB.
func NewMemory(maxMessage int) *Memory {
	if maxMessage == 0 {
		maxMessage = 8 << 20
	}
	return &Memory{maxMessage: maxMessage, missing: true, known: map[cluster.ID]time.Time{}, stored: map[uint64]time.Time{}, changed: make(chan struct{})}
}

// notify wakes all followers. The caller holds the lock.
func (m *Memory) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Memory) last() uint64 { return m.first + uint64(len(m.messages)) - 1 }

// create makes the order if it does not exist.
func (m *Memory) create(first uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missing {
		m.missing, m.first, m.messages = false, max(first, 1), nil
		m.created = append(m.created, m.first)
		m.identity++
		clear(m.known)
		m.oldest = nil
		m.notify()
	}
}

// store appends a message, unless its identifier is known, or it is for an order with another identity. It returns what Publish returns.
func (m *Memory) store(to string, id cluster.ID, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	switch {
	case m.missing:
		return &cluster.RefusedError{Err: cluster.ErrMissing, Later: true}
	case len(data) > m.maxMessage:
		return &cluster.RefusedError{Err: fmt.Errorf("it has %d bytes, the maximum is %d", len(data), m.maxMessage)}
	}
	for len(m.oldest) > 0 && now.Sub(m.known[m.oldest[0]]) > cluster.DuplicateWindow {
		delete(m.known, m.oldest[0])
		m.oldest = m.oldest[1:]
	}
	if _, twice := m.known[id]; twice {
		return nil
	}
	if to != "" && to != m.name() {
		return &cluster.RefusedError{Err: cluster.ErrReplaced, Later: true}
	}
	m.known[id] = now
	m.oldest = append(m.oldest, id)
	seq := m.last() + 1
	m.stored[seq] = now
	at := now.Add(m.clock).UTC().Truncate(time.Millisecond)
	m.messages = append(m.messages, slot{Message: cluster.Message{Seq: seq, First: cluster.FirstOf(seq), Time: at, ID: id, Data: bytes.Clone(data)}})
	if m.observe != nil {
		m.observe(&m.messages[len(m.messages)-1].Message)
	}
	m.notify()
	return nil
}

// from returns at most limit messages beginning with a number, and otherwise the channel to wait for.
func (m *Memory) from(seq uint64, limit int) ([]cluster.Message, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(seq, 1); err != nil {
		return nil, nil, err
	}
	var found []cluster.Message
	for i := seq - m.first; i < uint64(len(m.messages)) && len(found) < limit && !m.messages[i].gone; i++ {
		message := m.messages[i].Message
		message.Data = bytes.Clone(message.Data)
		found = append(found, message)
	}
	return found, m.changed, nil
}

// check returns the error for a message that is not there. Numbers up to beyond the last one are allowed.
func (m *Memory) check(seq, beyond uint64) error {
	switch {
	case m.missing:
		return cluster.ErrMissing
	case seq < m.first:
		return &cluster.GoneError{First: m.next(m.first)}
	case seq > m.last()+beyond:
		return &cluster.BackError{Last: m.last()}
	case seq <= m.last() && m.messages[seq-m.first].gone:
		return &cluster.GoneError{First: m.next(seq)}
	}
	return nil
}

// next returns the number of the first message from seq on that is not in a hole.
func (m *Memory) next(seq uint64) uint64 {
	for seq <= m.last() && m.messages[seq-m.first].gone {
		seq++
	}
	return seq
}

// name returns the identity of the order as text.
func (m *Memory) name() string { return strconv.Itoa(m.identity) }

func (m *Memory) bounds() (cluster.Bounds, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missing {
		return cluster.Bounds{}, cluster.ErrMissing
	}
	return cluster.Bounds{First: m.first, Last: m.last(), Identity: m.name(), MaxMessage: m.maxMessage}, nil
}

// Last returns the number of the newest message, 0 if the order does not exist.
func (m *Memory) Last() uint64 {
	b, err := m.bounds()
	if err != nil {
		return 0
	}
	return b.Last
}

// Stored returns when the message with a number was stored, by the clock of the test.
func (m *Memory) Stored(seq uint64) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored[seq]
}

// Observe calls f with each message that is stored from now on, before any hub receives it. f must not call methods of the order.
func (m *Memory) Observe(f func(*cluster.Message)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observe = f
}

// Created returns the number of the first message of each order that was made, one after the other was deleted.
func (m *Memory) Created() []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.created
}

// Messages returns all messages that the order still has.
func (m *Memory) Messages() []cluster.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []cluster.Message
	for _, s := range m.messages {
		if !s.gone {
			all = append(all, s.Message)
		}
	}
	return all
}

// Settle waits for messages that are still under way because of faults.
func (m *Memory) Settle() {
	for {
		m.mu.Lock()
		late, changed := m.late, m.changed
		m.mu.Unlock()
		if late == 0 {
			return
		}
		<-changed
	}
}

// storeLater stores a message after some time.
func (m *Memory) storeLater(d time.Duration, to string, id cluster.ID, data []byte) {
	m.mu.Lock()
	m.late++
	m.mu.Unlock()
	time.AfterFunc(d, func() {
		_ = m.store(to, id, data) // the caller has already got its error
		m.mu.Lock()
		defer m.mu.Unlock()
		m.late--
		m.notify()
	})
}
