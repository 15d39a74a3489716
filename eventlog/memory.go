package eventlog

import (
	"cmp"
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/internal/queue"
)

// Memory is a log in memory. It keeps what Append acknowledged until retention removes it or the process ends; the next Memory
// has another generation. Calls hold a lock for a short time and wait for nothing else. Memory is also a [Mirror], a [Lookup] and
// a [Lister].
//
// The files: memory_append.go decides and stores, memory_keys.go has the idempotency keys, memory_keep.go applies retention.
// memory_read.go reads, with memory_gap.go for gaps, memory_view.go to find records and memory_merge.go to order them.
// memory_ends.go knows which topics have ended. memory_mirror.go follows a shared log, with memory_cut.go for new generations.
// memory_topic.go, memory_tree.go and internal/queue are the data structures.
type Memory struct {
	mirror bool
	clock  atomic.Pointer[func() time.Time]
	watch  chan struct{}

	mu     sync.RWMutex // guards the following fields
	ret    Retention    // with its defaults
	closed bool
	gen    string
	head   uint64
	last   int64 // time of the newest record; all times here are Unix milliseconds

	records queue.Queue[slot] // in order; the first one exists, later ones may be gone
	events  int64             // number of existing records
	bytes   int64             // their Record.Size
	ids     map[string]*stored
	keys    keys
	ends    ends
	times   queue.Queue[slot] // the first record of each time, for cut; those of a mirror only, without the records
	state   []byte            // of the last Apply
	moved   chan struct{}     // closed when the head moves or the log is closed; nil: no call waits

	topics    map[string]*topic // all that are known, live or dead
	names     *topic            // the same, as a tree by name
	dead      deadHeap          // the topics without records
	deadBytes int64             // their DeadTopicSize

	trimmed uint64 // the newest record that was trimmed from a topic
	gone    uint64 // the newest record that no topic has any more, unless it was only superseded
	floor   uint64
	holes   []hole // in order

	ages []age
	full uint64 // up to here, trimming by Bytes and Events left only records of reserved topics
	due  int64  // no record gets too old before this time
}

var (
	_ Mirror  = (*Memory)(nil)
	_ Awaiter = (*Memory)(nil)
	_ Lookup  = (*Memory)(nil)
)

// slot is the place of a record in the log's order.
type slot struct {
	seq    uint64
	time   int64
	record *stored // nil: it is gone
}

// stored is an existing record. The record itself never changes, so that readers can use it without the lock.
type stored struct {
	Record
	topics []*topic // of Record.Topics, in the same order
	live   int      // how many of them still have it

	older, newer *stored // records with the same ID
}

// MemoryOptions are the options of [NewMemory]. Nil and the zero value mean the defaults.
type MemoryOptions struct {
	// Retention is what the log keeps. In memory, Bytes 0 means 64 MiB and Events 0 means 100,000. The process needs more
	// memory than Bytes counts: about 250 bytes per event, 200 and the name per topic, live or dead, 150 per idempotency key,
	// and 150 and the name per topic that has ended.
	Retention *Retention

	// Mirror makes the log a [Mirror].
	Mirror bool

	Generation string           // 5 or 6 characters a-z0-9; empty: a random one. A mirror begins without one
	Now        func() time.Time // the clock, called concurrently; nil: time.Now, and for a mirror none until SetClock
}

const (
	defaultMemoryBytes  = 64 << 20
	defaultMemoryEvents = 100_000
)

// NewMemory returns an empty log. The error is an *InvalidError about an option.
func NewMemory(o *MemoryOptions) (*Memory, error) {
	if o == nil {
		o = &MemoryOptions{}
	}
	ret, err := o.retention()
	if err != nil {
		return nil, err
	}
	gen, err := o.generation()
	if err != nil {
		return nil, err
	}
	m := &Memory{
		mirror: o.Mirror,
		ret:    ret,
		watch:  make(chan struct{}, 1),
		gen:    gen,
		last:   time.Time{}.UnixMilli(),
		ids:    map[string]*stored{},
		keys:   newKeys(&ret),
		ends:   ends{of: map[string]ending{}},
		topics: map[string]*topic{},
		ages:   ages(ret.Rules),
		due:    math.MaxInt64,
	}
	switch {
	case o.Now != nil:
		m.SetClock(o.Now)
	case o.Mirror:
		m.SetClock(unset)
	default:
		m.SetClock(time.Now)
	}
	return m, nil
}

func (o *MemoryOptions) retention() (Retention, error) {
	var ret Retention
	if o.Retention != nil {
		ret = *o.Retention
	}
	if ret.Bytes == 0 {
		ret.Bytes = defaultMemoryBytes
	}
	if ret.Events == 0 {
		ret.Events = defaultMemoryEvents
	}
	return ret.WithDefaults()
}

func (o *MemoryOptions) generation() (string, error) {
	switch {
	case o.Mirror && o.Generation != "":
		return "", &InvalidError{What: "generation", Value: o.Generation, Reason: "a mirror has none of its own"}
	case o.Mirror:
		return "", nil
	}
	gen := cmp.Or(o.Generation, NewGeneration())
	_, err := CheckGeneration(Position{}, gen, 0)
	return gen, err
}

// Close closes the log. Head and Bounds keep returning what it held. The error is always nil.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.watch)
		m.release()
	}
	return nil
}

// Head returns the position of the newest record.
func (m *Memory) Head() Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.at(m.head)
}

// Bounds describes what the log holds.
func (m *Memory) Bounds() Bounds {
	m.rlock()
	defer m.mu.RUnlock()
	b := Bounds{Head: m.at(m.head), Events: m.events, Bytes: m.bytes, Trimmed: m.trimmed, Floor: m.floor, DeadTopics: int64(len(m.dead)), DeadBytes: m.deadBytes}
	if slots := m.records.All(); len(slots) > 0 {
		b.First = slots[0].seq
	}
	if n := len(m.holes); n > 0 {
		b.Trimmed = max(b.Trimmed, m.holes[n-1].to)
	}
	return b
}

// Watch returns a channel that receives a value after Head has moved.
func (m *Memory) Watch() <-chan struct{} { return m.watch }

// wake notifies the receiver of Watch, and callers of Await. If Watch's receiver has not received the previous value yet, that one is
// enough.
func (m *Memory) wake() {
	m.release()
	select {
	case m.watch <- struct{}{}:
	default:
	}
}

// rlock locks the log for reading, after it has trimmed records that are too old.
func (m *Memory) rlock() {
	now := m.now()
	m.mu.RLock()
	if now <= m.due {
		return
	}
	m.mu.RUnlock()
	m.mu.Lock()
	m.expire(now)
	m.mu.Unlock()
	m.mu.RLock()
}

// usable returns an error if a call cannot begin. The log may be closed right after it returned nil.
func (m *Memory) usable(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.endError(ctx)
}

// endError returns an error if the log was closed or the context ended.
func (m *Memory) endError(ctx context.Context) error {
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// now returns what the clock of the log shows, in milliseconds.
func (m *Memory) now() int64 { return (*m.clock.Load())().UnixMilli() }

func (m *Memory) at(seq uint64) Position { return Position{m.gen, seq} }

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
