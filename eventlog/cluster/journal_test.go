package cluster_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

var errDead = errors.New("the process has ended")

// journal is a mirror in memory that remembers every change. From its beginning it can be rebuilt as it was on the disk of a process that
// was killed, or yesterday. It ends its process before or after a change, by chance.
type journal struct {
	*eventlog.Memory

	mu      sync.Mutex // guards the following fields
	changes []change
	dead    bool
	rand    *rand.Rand
	deadly  float64 // probability for each change that the process ends
	ending  *ending // nil: the process does not end at a known change
	lie     bool    // the mirror refuses all records
}

// ending ends a process before or after one of its next changes.
type ending struct {
	changes int // before that one
	before  bool
}

// change is a call that changed a mirror.
type change func(ctx context.Context, m eventlog.Mirror) error

func newJournal(t *testing.T, seed uint64, changes []change) *journal {
	m, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range changes {
		if err := c(context.Background(), m); err != nil {
			t.Fatalf("change %d of %d: %v", i, len(changes), err)
		}
	}
	return &journal{Memory: m, changes: slices.Clone(changes), rand: rand.New(rand.NewPCG(seed, 2))}
}

// history returns the changes so far.
func (j *journal) history() []change {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changes[:len(j.changes):len(j.changes)]
}

// reopen returns the mirror for the next process.
func (j *journal) reopen() *journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &journal{Memory: j.Memory, changes: j.changes, rand: j.rand, ending: j.ending}
}

// die ends the process: nothing changes any more.
func (j *journal) die() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dead = true
}

func (j *journal) isDead() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dead
}

// spare ends the danger for the process.
func (j *journal) spare() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.deadly, j.ending = 0, nil
}

func (j *journal) do(ctx context.Context, c change) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead {
		return errDead
	}
	dies := j.rand.Float64() < j.deadly
	before := dies && j.rand.IntN(2) == 0
	if e := j.ending; e != nil {
		if dies, before = e.changes == 0, e.before; dies {
			j.ending = nil
		}
		e.changes--
	}
	if dies && before {
		j.dead = true
		return errDead
	}
	if err := c(ctx, j.Memory); err != nil {
		return err
	}
	j.changes = append(j.changes, c)
	if dies {
		j.dead = true
		return errDead
	}
	return nil
}

func (j *journal) Apply(ctx context.Context, batches []eventlog.Batch, state func([]eventlog.Outcome) []byte) (outcomes []eventlog.Outcome, err error) {
	batches = slices.Clone(batches)
	j.mu.Lock()
	lie := j.lie
	j.mu.Unlock()
	for i := range batches {
		if lie {
			batches[i].Records = make([]eventlog.Record, len(batches[i].Records)) // without topics
		}
	}
	first := true
	var stored []byte
	err = j.do(ctx, func(ctx context.Context, m eventlog.Mirror) error {
		if state == nil {
			state = func([]eventlog.Outcome) []byte { return nil }
		}
		got, err := m.Apply(ctx, batches, func(outcomes []eventlog.Outcome) []byte {
			if first {
				stored, first = slices.Clone(state(outcomes)), false
			}
			return stored // when the mirror is rebuilt
		})
		outcomes = got
		return err
	})
	return outcomes, err
}

func (j *journal) Skip(ctx context.Context, to uint64, reason eventlog.Reason) error {
	return j.do(ctx, func(ctx context.Context, m eventlog.Mirror) error { return m.Skip(ctx, to, reason) })
}

func (j *journal) SetGeneration(ctx context.Context, gen string, after uint64) error {
	return j.do(ctx, func(ctx context.Context, m eventlog.Mirror) error { return m.SetGeneration(ctx, gen, after) })
}

func (j *journal) SetRetention(ctx context.Context, r *eventlog.Retention) error {
	return j.do(ctx, func(ctx context.Context, m eventlog.Mirror) error { return m.SetRetention(ctx, r) })
}

// Close does nothing: the next process opens the same mirror.
func (j *journal) Close() error { return nil }
