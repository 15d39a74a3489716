package eventlog

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/internal/queue"
)

// Memory is a log in memory. What Append has acknowledged is there until retention takes it or the process ends; the next
// one has another generation. Calls take short turns under a lock, and none waits for anything else.
//
// It is a [Mirror] and a [Lookup] too.
//
// The files: memory_append.go decides in log order and stores, with memory_keys.go for idempotency; memory_keep.go
// removes; memory_read.go reads, with memory_gap.go for what is missing, memory_view.go for what is there and
// memory_merge.go to put it in order; memory_mirror.go takes what another log has decided. memory_topic.go,
// memory_tree.go are what all this is kept in, with internal/queue.
type Memory struct {
	ret   Retention // with its defaults
	clock func() time.Time
	watch chan struct{}

	mu     sync.RWMutex // guards the following
	closed bool
	gen    string
	head   uint64
	last   int64 // time of the newest record, in milliseconds as all times in here

	records queue.Queue[slot] // by number; the first is there, others may be gone
	events  int64             // how many of them are there
	bytes   int64             // and their Record.Size
	ids     map[string]*stored
	keys    keys

	topics map[string]*topic // all that are known: live, or dead and remembered
	names  *topic            // the same, as a tree by name
	dead   graveyard         // those without a record,
	buried int64             // and their DeadTopicSize

	trimmed uint64 // the newest record that a topic has lost
	gone    uint64 // the newest record that is nowhere any more, and not only because it was superseded
	floor   uint64
	holes   []hole // in order

	ages []age
	full uint64 // up to here only records of reserved topics are left, where Bytes and Events did not let more be there
	due  int64  // up to this time no record gets too old
}

var (
	_ Mirror = (*Memory)(nil)
	_ Lookup = (*Memory)(nil)
)

// slot is the place of a record in log order.
type slot struct {
	seq    uint64
	time   int64
	record *stored // nil: it is gone
}

// stored is a record that is there. The record itself never changes, so that readers may have it without the lock.
type stored struct {
	Record
	topics []*topic // of Record.Topics, in the same order
	live   int      // how many of them still have it

	older, newer *stored // of the same Record.ID
}

// MemoryOptions are the options of [NewMemory]. Nil and the zero value mean the defaults.
type MemoryOptions struct {
	// Retention is what the log keeps. Here Bytes 0 means 64 MiB and Events 0 means 100,000, so that a log to which
	// nobody gives a thought stays small. The process needs more than what is counted: for each event about 250 bytes, for
	// each topic about 200 and its name, also for one that is dead and remembered, for each known key about 150.
	Retention *Retention

	Generation string           // 5 or 6 characters a-z0-9; empty means a random one
	Now        func() time.Time // the clock, called by any goroutine; nil means time.Now
}

const (
	defaultMemoryBytes  = 64 << 20
	defaultMemoryEvents = 100_000
)

// NewMemory returns an empty log. The error is an *InvalidError about the options.
func NewMemory(o *MemoryOptions) (*Memory, error) {
	if o == nil {
		o = &MemoryOptions{}
	}
	ret, err := o.retention()
	if err != nil {
		return nil, err
	}
	gen := cmp.Or(o.Generation, NewGeneration())
	if err := checkGeneration(gen); err != nil {
		return nil, err
	}
	m := &Memory{
		ret:    ret,
		clock:  o.Now,
		watch:  make(chan struct{}, 1),
		gen:    gen,
		last:   time.Time{}.UnixMilli(),
		ids:    map[string]*stored{},
		keys:   newKeys(&ret),
		topics: map[string]*topic{},
		ages:   ages(ret.Rules),
		due:    math.MaxInt64,
	}
	if m.clock == nil {
		m.clock = time.Now
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

func checkGeneration(gen string) error {
	if !ValidGeneration(gen) {
		return &InvalidError{What: "generation", Value: gen, Reason: "it has to be 5 or 6 characters a-z0-9"}
	}
	return nil
}

// Close ends the log. Head and Bounds go on telling what it held. The error is always nil.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.watch)
	}
	return nil
}

// Head returns the position of the newest record.
func (m *Memory) Head() Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.at(m.head)
}

// Bounds tells what the log holds.
func (m *Memory) Bounds() Bounds {
	m.rlock()
	defer m.mu.RUnlock()
	b := Bounds{Head: m.at(m.head), Events: m.events, Bytes: m.bytes, Trimmed: m.trimmed, Floor: m.floor, DeadTopics: int64(len(m.dead)), DeadBytes: m.buried}
	if slots := m.records.All(); len(slots) > 0 {
		b.First = slots[0].seq
	}
	if n := len(m.holes); n > 0 {
		b.Trimmed = max(b.Trimmed, m.holes[n-1].to)
	}
	return b
}

// Watch returns a channel that receives after Head has moved.
func (m *Memory) Watch() <-chan struct{} { return m.watch }

// wake tells the receiver of Watch that the head has moved. One who has not received yet will see this move as well.
func (m *Memory) wake() {
	select {
	case m.watch <- struct{}{}:
	default:
	}
}

// rlock locks the log for reading when nothing in it is older than it may be.
func (m *Memory) rlock() {
	now := m.clock().UnixMilli()
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

// usable returns the error of a call that cannot even begin. The log may be closed right after.
func (m *Memory) usable(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.over(ctx)
}

// over returns the error of a call that the log or its caller has given up.
func (m *Memory) over(ctx context.Context) error {
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}

func (m *Memory) at(seq uint64) Position { return Position{m.gen, seq} }

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
