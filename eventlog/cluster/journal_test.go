package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

var errDead = errors.New("the process has ended")

// store opens the mirrors of a simulation. Its second result opens a mirror again that was closed.
type store func(t *testing.T) (eventlog.Mirror, func() eventlog.Mirror)

// inMemory opens mirrors in memory, which nothing closes.
func inMemory(t *testing.T) (eventlog.Mirror, func() eventlog.Mirror) {
	m, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
	if err != nil {
		t.Fatal(err)
	}
	return m, func() eventlog.Mirror { return m }
}

// onDisk opens mirrors in directories of their own.
func onDisk(t *testing.T) (eventlog.Mirror, func() eventlog.Mirror) {
	dir := t.TempDir()
	var last *disklog.Log
	open := func() eventlog.Mirror {
		if last != nil {
			if err := last.Close(); err != nil {
				t.Fatal(err)
			}
		}
		// No power is lost here, so frequent syncs would only cost time: a mirror as it was before a crash is built by repeating its changes.
		log, err := disklog.Open(dir, &disklog.Options{Mirror: true, Interval: time.Minute, Cache: 1 << 20, Reserve: -1, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		last = log
		return log
	}
	t.Cleanup(func() {
		if err := last.Close(); err != nil {
			t.Error(err)
		}
	})
	return open(), open
}

// journal is a mirror that remembers every change. From its beginning it can be rebuilt as it was on the disk of a process that
// was killed, or yesterday. It ends its process before or after a change, by chance.
type journal struct {
	eventlog.Mirror
	again func() eventlog.Mirror // opens it again

	mu      sync.Mutex // guards the following fields
	changes []change
	at      []time.Time // when the last ones were made
	dead    bool
	rand    *rand.Rand
	deadly  float64 // probability for each change that the process ends
	ending  *ending // nil: the process does not end at a known change
	lie     bool    // the mirror refuses all records
	forgets bool    // the mirror forgets all keys
	harmed  bool    // the mirror cannot read what it has stored
}

// ending ends a process before or after one of its next changes.
type ending struct {
	changes int // before that one
	before  bool
}

// change is a call that changed a mirror.
type change func(ctx context.Context, m eventlog.Mirror) error

func newJournal(t *testing.T, open store, seed uint64, changes []change) *journal {
	m, again := open(t)
	for i, c := range changes {
		if err := c(context.Background(), m); err != nil {
			t.Fatalf("change %d of %d: %v", i, len(changes), err)
		}
	}
	return &journal{Mirror: m, again: again, changes: slices.Clone(changes), rand: rand.New(rand.NewPCG(seed, 2))}
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
	return &journal{Mirror: j.again(), again: j.again, changes: j.changes, at: j.at, rand: j.rand, ending: j.ending, harmed: j.harmed}
}

// unsynced returns how many of the last changes a power loss may take. A mirror syncs its disk after 100 ms; a second is more than it needs.
func (j *journal) unsynced() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n < len(j.at) && time.Since(j.at[len(j.at)-1-n]) < time.Second {
		n++
	}
	return n
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

// setLie makes the mirror refuse all records, or ends that.
func (j *journal) setLie(lie bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lie = lie
}

// setForgets makes the mirror forget all keys, or ends that.
func (j *journal) setForgets(forgets bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.forgets = forgets
}

// harm makes the mirror unable to read what it has stored.
func (j *journal) harm() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.harmed = true
}

// Checked implements [eventlog.Checker].
func (j *journal) Checked() (done, damaged bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return true, j.harmed
}

func (j *journal) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if _, damaged := j.Checked(); damaged {
		if head := j.Head(); q.Told < head.Seq && q.After != head {
			return eventlog.Answer{}, &eventlog.GapError{Reason: eventlog.Corrupt, From: q.After, To: head}
		}
	}
	return j.Mirror.Read(ctx, q)
}

func (j *journal) State(ctx context.Context) ([]byte, error) {
	if _, damaged := j.Checked(); damaged {
		return nil, &eventlog.CorruptError{What: "state", Reason: "its block is damaged"}
	}
	return j.Mirror.State(ctx)
}

// spare lets the process run on.
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
	if err := c(ctx, j.Mirror); err != nil {
		return err
	}
	j.changes, j.at = append(j.changes, c), append(j.at, time.Now())
	if dies {
		j.dead = true
		return errDead
	}
	return nil
}

func (j *journal) Apply(ctx context.Context, batches []eventlog.Batch, state func([]eventlog.Outcome) []byte) (outcomes []eventlog.Outcome, err error) {
	batches = slices.Clone(batches)
	j.mu.Lock()
	lie, forgets := j.lie, j.forgets
	j.mu.Unlock()
	for i := range batches {
		if lie {
			batches[i].Records = make([]eventlog.Record, len(batches[i].Records)) // without topics
		}
		if forgets {
			batches[i].Records = slices.Clone(batches[i].Records)
			for k := range batches[i].Records {
				batches[i].Records[k].Key = ""
			}
		}
	}
	if state == nil {
		state = func([]eventlog.Outcome) []byte { return nil }
	}
	first := true
	var stored []byte
	err = j.do(ctx, func(ctx context.Context, m eventlog.Mirror) error {
		if !first { // several hubs at once rebuild their mirrors by this change, so it only reads here
			_, err := m.Apply(ctx, batches, func([]eventlog.Outcome) []byte { return stored })
			return err
		}
		first = false
		got, err := m.Apply(ctx, batches, func(outcomes []eventlog.Outcome) []byte {
			stored = slices.Clone(state(outcomes))
			return stored
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
