package disklog_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// These tests simulate power losses. The file system is in memory and knows what was synced. It makes copies of itself as a crash could
// leave them. A test opens a log on each copy and compares it with what its clients know. The next life of the log begins with the last
// copy, so that crashes follow crashes.
//
// TIDINGS_CRASHES is the number of copies per test, TIDINGS_SEED selects them.

const (
	crashClients = 8
	crashChain   = 30 // crashes of one log; a longer history would make the checks slow
)

func TestPowerLossLosesNothingThatWasAcknowledgedOrRead(t *testing.T) {
	t.Parallel()
	crashes(t, false, func(*run) death { return crashed })
}

func TestPowerLossWhileTrimming(t *testing.T) {
	t.Parallel()
	crashes(t, true, func(*run) death { return crashed })
}

func TestPowerLossBetweenSyncsIsAGap(t *testing.T) {
	t.Parallel()
	crashes(t, false, func(*run) death { return lossy })
}

// TestPowerLossAfterLivesOfAllKinds: closing a log that syncs at intervals must leave no gap.
func TestPowerLossAfterLivesOfAllKinds(t *testing.T) {
	t.Parallel()
	crashes(t, false, func(r *run) death { return death(r.rand.IntN(3)) })
}

// crashes crashes logs one after the other, each many times. next says how the next life ends.
func crashes(t *testing.T, trims bool, next func(*run) death) {
	total := times("TIDINGS_CRASHES", crashTotal)
	n, records, lost := 0, 0, 0
	for seed := repeatable(t); n < total && !t.Failed(); seed++ {
		r := newRun(t, seed)
		r.script.trims = trims
		for end := min(n+crashChain, total); n < end && !t.Failed(); {
			l := r.live(next(r), 1+r.rand.IntN(3))
			r.resumeAll(l)
			n += len(l.copies)
		}
		records += len(r.history.places)
		lost += r.history.lost
	}
	t.Logf("%d crashes; %d records were kept, and %d were lost with a gap", n, records, lost)
}

// run is the history of one log through its crashes.
type run struct {
	t       *testing.T
	rand    *rand.Rand
	script  *script
	fs      *vfs.MemFS // the files at the beginning of the next life
	history *history   // the clients' knowledge at that time
	clock   atomic.Int64
}

const crashDir = "var/lib/log"

func newRun(t *testing.T, seed uint64) *run {
	s := newScript(seed)
	return &run{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), script: s,
		fs: vfs.NewCrashableMem(), history: newHistory(s, crashClients+1),
	}
}

// repeatable returns a seed. If the test fails, it prints how to repeat it.
func repeatable(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("TIDINGS_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: TIDINGS_SEED=%d go test -race -run '^%s$' ./eventlog/disklog", seed, t.Name())
		}
	})
	return seed
}

// times returns how often something is done; an environment variable overrides the standard.
func times(variable string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return standard
}

func (r *run) now() time.Time { return time.UnixMilli(1_700_000_000_000 + r.clock.Load()).UTC() }

func (r *run) options(fs vfs.FS, how death) *disklog.Options {
	o := &disklog.Options{
		Cache: 1 << 20, Reserve: -1, Now: r.now, Logger: slog.New(unexpected{&complaints{t: r.t}}),
		Interval: []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Hour}[r.rand.IntN(3)],
	}
	if r.script.trims {
		o.Retention = retention(keepAge)
	}
	// Small memtables fill up often. A batch of a client may be larger than half of the smallest memtable; Pebble writes such batches in
	// another way.
	o.SetMemTable([]int{16 << 10, 256 << 10, 64 << 20}[r.rand.IntN(3)])
	if how == lossy || how == closed {
		o.Sync = disklog.SyncInterval
	}
	o.SetFS(fs)
	o.SetChunk(200) // so that a few records make many chunks
	return o
}

// resumeAll checks all copies of a life. The next life begins with the last one.
func (r *run) resumeAll(l *life) {
	r.t.Helper()
	for i, c := range l.copies {
		r.resume(c, l.how, i == len(l.copies)-1)
	}
}

// resume opens a copy, checks it and appends to it.
func (r *run) resume(c copied, how death, goOn bool) {
	r.t.Helper()
	log, err := disklog.Open(crashDir, r.options(c.fs, crashed))
	if err != nil {
		r.t.Fatal(err)
	}
	if c.maybe != nil && log.Head().Gen == c.maybe.gen {
		c.history = c.maybe
	}
	rules, err := retention(keepAge).WithDefaults()
	if err != nil {
		r.t.Fatal(err)
	}
	(&check{t: r.t, log: log, h: c.history, rand: r.rand, rules: &rules, now: r.now(), young: r.history.used}).resume(how)
	checked := c.history.used
	r.appendSome(log, c.history)
	if r.script.trims {
		checked = 0 // retention may have removed records since they were checked
	}
	(&check{t: r.t, log: log, h: c.history, rand: r.rand, rules: &rules, now: r.now(), after: checked}).resume(crashed)
	if err := log.Close(); err != nil {
		r.t.Fatal(err)
	}
	if goOn {
		r.fs, r.history = c.fs, c.history
	}
}

// appendSome lets each client append some batches. The first ones are batches without an answer, which may already be stored.
func (r *run) appendSome(log *disklog.Log, h *history) {
	r.t.Helper()
	for client := range h.done {
		for range r.rand.IntN(crashTry) {
			b := h.next(client)
			r.clock.Add(1)
			receipts, err := log.Append(r.t.Context(), b.records)
			if err := h.record(client, b, answer{receipts, err}, false); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// complaints fails a test when a log reports an error.
type complaints struct {
	slog.Handler
	t *testing.T
}

func (c *complaints) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (c *complaints) Handle(_ context.Context, r slog.Record) error {
	var all []any
	r.Attrs(func(a slog.Attr) bool {
		all = append(all, a)
		return true
	})
	c.t.Error(r.Message, all)
	return nil
}

// unexpected drops the warning that a crash is expected to cause.
type unexpected struct{ slog.Handler }

func (u unexpected) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == disklog.NotClosed {
		return nil
	}
	return u.Handler.Handle(ctx, r)
}

// life is a log that is used concurrently, and crashes.
type life struct {
	run *run
	how death
	log *disklog.Log

	mu      sync.Mutex // guards the following fields; held while a copy is made, so that the copy has everything answered before
	history *history
	maybe   *history // the history if the operation in progress has taken effect
	answers int
	crashes []int // numbers of answers after which the log crashes
	copies  []copied
	ended   bool
	rand    *rand.Rand
}

// copied is the state after a crash.
type copied struct {
	fs      *vfs.MemFS
	history *history
	maybe   *history
}

// live lets the clients append until the log has crashed this often.
func (r *run) live(how death, crashes int) *life {
	r.t.Helper()
	log, err := disklog.Open(crashDir, r.options(&stepFS{r.fs, func() {}}, how))
	if err != nil {
		r.t.Fatal(err)
	}
	l := &life{run: r, how: how, log: log, history: r.history.clone(), rand: rand.New(rand.NewPCG(r.rand.Uint64(), 2))}
	if l.history.gen == "" {
		l.history.gen = log.Head().Gen
	}
	for at := 0; len(l.crashes) < crashes; {
		at += 1 + r.rand.IntN(crashAfter)
		l.crashes = append(l.crashes, at)
	}
	if how == closed {
		l.crashes = l.crashes[:1]
	}
	var readers sync.WaitGroup
	readers.Go(l.follow)
	var clients sync.WaitGroup
	for client := range crashClients {
		random := rand.New(rand.NewPCG(r.rand.Uint64(), 3))
		clients.Go(func() {
			for l.step(client, random) {
			}
		})
	}
	clients.Wait()
	if err := log.Close(); err != nil {
		r.t.Fatal(err)
	}
	readers.Wait()
	if how == closed {
		l.crash(0)
	}
	return l
}

// step appends a client's next batch. Sometimes the client gives up waiting and appends it again.
func (l *life) step(client int, random *rand.Rand) bool {
	l.mu.Lock()
	b := l.history.next(client)
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(l.run.t.Context())
	defer cancel()
	if b.keyed && random.IntN(10) == 0 {
		go cancel()
	}
	l.run.clock.Add(1)
	receipts, err := l.log.Append(ctx, b.records)
	uncertain := errors.Is(err, context.Canceled)
	if uncertain {
		receipts, err = l.log.Append(l.run.t.Context(), b.records)
	}
	return l.answered(client, b, answer{receipts, err}, uncertain)
}

// answered records the answer, and reports whether the client continues.
func (l *life) answered(client int, b *batch, a answer, uncertain bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	if err := l.history.record(client, b, a, uncertain); err != nil {
		l.run.t.Error(err)
		l.ended = true
		return false
	}
	if l.answers++; len(l.crashes) > 0 && l.answers == l.crashes[0] {
		if l.how != closed {
			l.crash(l.rand.IntN(101))
		}
		l.crashes = l.crashes[1:]
		l.ended = len(l.crashes) == 0
	}
	return !l.ended
}

// crash makes a copy that has about this percentage of the unsynced data.
func (l *life) crash(percent int) {
	fs := l.run.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: l.rand})
	c := copied{fs: fs, history: l.history.clone()}
	if l.maybe != nil {
		c.maybe = l.maybe.clone()
	}
	l.copies = append(l.copies, c)
}

// follow reads the appended records. A record that it has read must not be lost without a gap.
func (l *life) follow() {
	q := eventlog.Query{Selector: eventlog.Everything(), After: l.log.Head()}
	for range l.log.Watch() {
		for q.After != l.log.Head() {
			answer, err := l.log.Read(l.run.t.Context(), q)
			if gap, ok := errors.AsType[*eventlog.GapError](err); ok && l.run.script.trims {
				q = gap.Partial(q)
				continue
			} else if errors.Is(err, eventlog.ErrClosed) {
				return
			} else if err != nil {
				l.run.t.Error(err)
				return
			}
			l.saw(answer.Records)
			q.After = answer.Complete
		}
	}
}

func (l *life) saw(records []eventlog.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, rec := range records {
		if err := l.history.saw(&rec); err != nil && !l.ended {
			l.run.t.Error(err)
		}
	}
}
